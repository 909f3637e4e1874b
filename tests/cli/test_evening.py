"""An operator's evening with real child processes on a real domain controller: from no key to a proved new password."""

import csv
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import Program
from tests.real import witness
from tests.real.domain import Account, Domain, unique_name

OLD = "Old-pass-0001!x"


def world_of(domain: Domain, host: str | None = None) -> dict[str, Any]:
    """A world with one organization and this domain as its directory."""
    return {
        "administrators": ["U0ADMIN"],
        "rule": {"length": 24},
        "organizations": [
            {
                "name": "Acme Dental",
                "bulk": ["person", "shared"],
                "directories": [
                    {
                        "name": "acme-ad",
                        "kind": "active-directory",
                        "servers": [{"host": host or domain.host, "port": domain.port, "tls_name": domain.tls_name}],
                        "ca_file": str(domain.ca_file),
                        "bind_dn": domain.service_dn,
                        "bind_password": "env:REKEY_SECRET_ACME",
                    }
                ],
                "vault": {"name": "acme-vault", "kind": "embedded"},
            }
        ],
    }


class Evening:
    """A domain, accounts in it that no other test knows, and a Rekey in a folder."""

    def __init__(self, rekey: Program, domain: Domain) -> None:
        self.rekey = rekey
        self.domain = domain
        rekey.environment["REKEY_SECRET_ACME"] = domain.service_password
        ou = domain.create_ou()
        self.staff: list[Account] = [domain.create_user(unique_name(stem), OLD, ou=ou) for stem in ("jane", "joe")]

    def set_up(self) -> None:
        """Everything up to approved matches."""
        world = self.rekey.folder / "world.yaml"
        world.write_text(yaml.safe_dump(world_of(self.domain)), encoding="utf-8")
        self.rekey.ok("apply", world, "--yes")
        self.rekey.ok("records", "import", self.vault_file())
        self.rekey.ok("sync")
        self.rekey.ok("matches", "approve", *(account.name for account in self.staff))

    def vault_file(self) -> Path:
        path = self.rekey.folder / "vault.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["name", "username", "password", "url", "notes"])
            writer.writerows([f"{each.name} sign-in", each.name, OLD, "", ""] for each in self.staff)
        return path

    def signs_in(self, account: Account, password: str) -> bool:
        return witness.signs_in(self.domain, account.dn, password)


@pytest.fixture
def evening(rekey: Program, corp: Domain) -> Evening:
    return Evening(rekey, corp)


def test_from_an_empty_folder_to_a_new_password_that_signs_in(evening: Evening, tmp_path: Path) -> None:
    rekey, jane = Program(tmp_path / "fresh", dict(evening.rekey.environment)), evening.staff[0]
    rekey.folder.mkdir()
    evening.rekey = rekey
    made = rekey.process("keys", "init", "--json")
    assert made.json["recovery_key"] == str(rekey.folder / "recovery.key")
    world = rekey.folder / "world.yaml"
    world.write_text(yaml.safe_dump(world_of(evening.domain)), encoding="utf-8")

    applied = rekey.process("apply", world, "--yes", "--json")
    assert applied.code == 0, applied.err
    assert applied.json["applied"]
    assert "acme-ad of Acme Dental works." in applied.err or "! acme-ad" in applied.err
    again = rekey("apply", world, "--json")
    assert (again.code, again.json["changes"]) == (0, [])

    imported = rekey("records", "import", evening.vault_file(), "--organization", "acme dental", "--json")
    assert imported.json["added"] == 2, imported.err
    synced = rekey.process("sync", "--json")
    assert synced.code == 0, synced.err
    (directory,) = synced.json
    assert set(directory) == {"directory", "accounts", "added", "changed", "removed", "suggested"}
    assert directory["added"] >= 2

    matches = {match["account"]: match for match in rekey.ok("matches", "list", "--json").json}
    match = matches[jane.name]
    said = {"id", "organization", "directory", "account", "tier", "record", "link", "vaulted", "state", "candidates"}
    assert set(match) == said
    assert (match["organization"], match["directory"]) == ("Acme Dental", "acme-ad")
    assert (match["state"], match["record"]) == ("suggested", f"{jane.name} sign-in")
    assert [set(candidate) for candidate in match["candidates"]] == [{"id", "name"}]
    approved = rekey("matches", "approve", match["id"], matches[evening.staff[1].name]["id"])
    assert approved.code == 0, approved.err

    (never,) = [each for each in rekey.ok("status", "--json").json if each["record"] == match["record"]]
    assert never["status"] is None
    dry = rekey("rotate", "--record", match["record"], "--dry-run", "--json")
    assert dry.json[0]["intent"] == "rotate"
    assert evening.signs_in(jane, OLD)

    rotated = rekey.process("rotate", "--all", "--json", REKEY_LOG_LEVEL="debug")
    assert rotated.code == 0, rotated.err
    assert [set(each) for each in rotated.json] == [{"record", "organization", "status", "reason", "accounts"}] * 2
    assert {each["status"] for each in rotated.json} == {"Successful"}
    assert rotated.json[0]["accounts"][0]["directory"] == "acme-ad"
    assert rotated.json == rekey.ok("status", "--json").json

    revealed = rekey.process("reveal", match["record"].upper(), "--json")
    assert set(revealed.json) == {"record", "username", "password", "revision", "alternatives"}
    assert revealed.json["alternatives"] == []
    password = revealed.json["password"]
    assert len(password) >= 24
    assert password not in rotated.out + rotated.err
    assert rekey.ok("reveal", match["record"]).out == f"{password}\n"
    assert evening.signs_in(jane, password)
    assert not evening.signs_in(jane, password[::-1])

    events = [event["event"] for event in rekey.ok("audit", "export", "--json").json]
    assert events.count("record.revealed") == 2
    assert rekey("audit", "verify").code == 0
    everything = b"".join(
        path.read_bytes() for path in rekey.folder.rglob("*") if path.is_file() and "csv" not in path.name
    )
    assert password.encode() not in everything
    assert evening.domain.service_password.encode() not in everything


def test_history_tells_every_rotation_and_no_password(evening: Evening) -> None:
    evening.set_up()
    record = f"{evening.staff[0].name} sign-in"
    evening.rekey.ok("rotate", "--record", record)
    evening.rekey.ok("rotate", "--record", record)
    history = evening.rekey.ok("history", record, "--json")
    assert [each["status"] for each in history.json["rotations"]] == ["Successful", "Successful"]
    assert [each["state"] for each in history.json["revisions"]] == ["current", "previous", "old"]
    assert OLD not in history.out
    assert evening.rekey.ok("reveal", record).out.strip() not in history.out


def test_a_stopped_organization_rotates_nothing_until_it_is_started(evening: Evening) -> None:
    evening.set_up()
    jane = evening.staff[0]
    before = evening.domain.set_at(jane.dn)
    evening.rekey.ok("stop", "acme dental")
    refused = evening.rekey("rotate", "--record", f"{jane.name} sign-in", "--json")
    assert refused.code == 1
    assert refused.json[0]["status"] == "Not Permitted"
    assert "stopped in Acme Dental" in refused.json[0]["reason"]
    assert evening.domain.set_at(jane.dn) == before
    evening.rekey.ok("start", "acme dental")
    evening.rekey.ok("rotate", "--record", f"{jane.name} sign-in")
    assert evening.domain.set_at(jane.dn) > before


def test_every_decision_on_matches_can_be_made_and_taken_back(evening: Evening) -> None:
    evening.set_up()
    rekey, (jane, joe) = evening.rekey, evening.staff

    def state_of(account: Account) -> tuple[str, str | None]:
        (match,) = [each for each in rekey.ok("matches", "list", "--json").json if each["account"] == account.name]
        return match["state"], match["record"]

    rekey.ok("matches", "reopen", jane.name)
    assert state_of(jane) == ("suggested", f"{jane.name} sign-in")
    rekey.ok("matches", "ignore", jane.name)
    assert state_of(jane) == ("ignored", None)
    rekey.ok("sync")
    assert state_of(jane) == ("ignored", None)
    rekey.ok("matches", "choose", jane.name, f"{joe.name} sign-in")
    assert state_of(jane) == ("approved", f"{joe.name} sign-in")
    rekey.ok("matches", "reopen", jane.name)
    found = rekey.ok("matches", "search", jane.name, "--json").json
    assert found[0]["name"] == f"{jane.name} sign-in"
    refused = rekey("matches", "create-record", joe.name, "--json")
    assert refused.code == 1
    assert "Reopen the match first" in refused.json[0]["reason"]
    rekey.ok("matches", "reopen", joe.name)
    rekey.ok("matches", "create-record", joe.name)
    state, record = state_of(joe)
    assert (state, record) == ("approved", f"{evening.domain.netbios}\\{joe.name}")
    empty = rekey("reveal", record)
    assert (empty.code, empty.out) == (1, "")
    rekey.ok("rotate", "--record", record)
    assert evening.signs_in(joe, rekey.ok("reveal", record).out.strip())
    rekey.ok("matches", "approve", "--all-exact")
    assert state_of(jane)[0] == "approved"


def test_a_controller_that_is_away_leaves_the_rotation_in_progress_and_exits_3(
    rekey: Program, private_domain: Domain
) -> None:
    evening = Evening(rekey, private_domain)
    evening.set_up()
    jane = evening.staff[0]
    rekey.environment["REKEY_BACKOFF_CAP_SECONDS"] = "0.2"
    private_domain.stop()
    waiting = rekey("rotate", "--record", f"{jane.name} sign-in", "--json")
    assert waiting.code == 3
    assert waiting.json[0]["status"] == "In progress"
    assert waiting.err
    away = rekey("doctor", "--json")
    assert away.code == 3
    assert any(finding["level"] == "problem" for each in away.json for finding in each["findings"])
    assert rekey("sync").code == 3
    private_domain.start()
    resumed = rekey.ok("rotate", "--record", f"{jane.name} sign-in", "--json")
    assert resumed.json[0]["status"] == "Successful"
    assert evening.signs_in(jane, rekey.ok("reveal", f"{jane.name} sign-in").out.strip())


def test_doctor_finds_nothing_wrong_where_nothing_is(evening: Evening) -> None:
    evening.set_up()
    (evening.rekey.folder / "recovery.key").rename(evening.rekey.folder.parent / "recovery.key")
    healthy = evening.rekey.ok("doctor", "--json")
    assert [each["subject"] for each in healthy.json] == ["rekey", "directory acme-ad"]
    assert all(finding["level"] != "problem" for each in healthy.json for finding in each["findings"])


def test_doctor_says_what_is_wrong_with_a_sign_in_and_an_escrow_directory(evening: Evening) -> None:
    evening.set_up()
    rekey = evening.rekey
    with_wrong_password = rekey("apply", rekey.folder / "world.yaml", "--yes", REKEY_SECRET_ACME="Wrong-password-1")
    assert "! acme-ad of Acme Dental" in with_wrong_password.err
    (rekey.folder / "escrow" / "recovery.pub").rename(rekey.folder / "recovery.pub")
    ill = rekey("doctor")
    assert ill.code == 1
    assert "recovery.pub" in ill.out
    assert "PROBLEM" in ill.out.split("directory acme-ad")[1]
    assert rekey("rotate", "--all").code == 1


def test_a_credential_whose_host_was_changed_behind_our_back_is_refused_and_said_which(evening: Evening) -> None:
    evening.set_up()
    rekey, jane = evening.rekey, evening.staff[0]
    before = evening.domain.set_at(jane.dn)
    with sqlite3.connect(rekey.folder / "rekey.db") as database:
        ((settings,),) = database.execute("SELECT settings FROM connections WHERE name = 'acme-ad'").fetchall()
        edited = json.loads(settings)
        edited["servers"][0]["host"] = "127.0.0.99"
        database.execute("UPDATE connections SET settings = ? WHERE name = 'acme-ad'", (json.dumps(edited),))
    refused = rekey("rotate", "--record", f"{jane.name} sign-in", "--json")
    assert refused.code == 1
    assert refused.json[0]["status"] == "API Error"
    assert "credential of acme-ad does not open" in refused.json[0]["reason"]
    assert f"servers changed from {evening.domain.host}:636" in refused.json[0]["reason"]
    assert evening.domain.set_at(jane.dn) == before
    assert "servers changed from" in rekey("doctor").out
    mended = rekey.ok("apply", rekey.folder / "world.yaml", "--yes", "--json")
    assert f"servers 127.0.0.99:636 → {evening.domain.host}:636" in mended.json["changes"][0]
    rekey.ok("rotate", "--record", f"{jane.name} sign-in")


def test_after_a_restore_nothing_runs_until_doctor_has_compared_and_named_what_changed(evening: Evening) -> None:
    evening.set_up()
    rekey, (jane, joe) = evening.rekey, evening.staff
    rekey.ok("rotate", "--all")
    rekey.ok("backup", rekey.folder / "backup.zip")
    evening.domain.set_password(jane.dn, "Changed-elsewhere-2!")
    rekey.environment["REKEY_DATABASE_URL"] = f"sqlite:///{rekey.folder / 'restored.db'}"
    rekey.ok("restore", rekey.folder / "backup.zip")
    frozen = rekey("rotate", "--record", f"{joe.name} sign-in", "--json")
    assert frozen.code == 3
    assert "restored from a backup" in frozen.json[0]["reason"]
    compared = rekey("doctor")
    assert compared.code == 1
    assert f"The password of {evening.domain.netbios}\\{jane.name} was changed" in compared.out
    assert joe.name not in compared.out
    rekey.ok("rotate", "--all")
    assert evening.signs_in(jane, rekey.ok("reveal", f"{jane.name} sign-in").out.strip())


def test_recover_brings_back_every_password_and_apply_adopts_what_it_finds(evening: Evening) -> None:
    evening.set_up()
    rekey, (jane, _) = evening.rekey, evening.staff
    rekey.ok("rotate", "--all")
    password = rekey.ok("reveal", f"{jane.name} sign-in").out
    rekey.environment["REKEY_DATABASE_URL"] = f"sqlite:///{rekey.folder / 'new.db'}"
    recovered = rekey.ok("recover", "--key", rekey.folder / "recovery.key", "--json")
    assert recovered.json["records"] == 2
    assert rekey.ok("reveal", f"{jane.name} sign-in").out == password
    applied = rekey.ok("apply", rekey.folder / "world.yaml", "--yes", "--json")
    assert not any(change.startswith(("+ organization", "+ vault")) for change in applied.json["changes"])
    rekey.ok("sync")
    rekey.ok("matches", "approve", jane.name)
    rekey.ok("rotate", "--record", f"{jane.name} sign-in")
    assert evening.signs_in(jane, rekey.ok("reveal", f"{jane.name} sign-in").out.strip())
