"""Nothing secret in any log, error, output, database column or file: whole rotations at debug level, then a search."""

import base64
import contextlib
import csv
import gc
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from bot import logs
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_faults import Fault
from bot.directories.base import Proof
from bot.errors import RekeyError
from storage.database import Database
from storage.models import Organization, Record, Status
from storage.revisions import open_revision, revisions_of
from storage.sealing import KeyRing
from tests.cli.program import Program, Result
from tests.cli.test_evening import world_of
from tests.leaks import AWKWARD, Leaks, columns
from tests.real.domain import Domain, unique_name
from tests.real.proxy import Proxy
from tests.rotation.world import World
from tests.storage.databases import KINDS, migrated_database


@pytest.fixture(autouse=True)
def _the_log_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith("REKEY_") and name != "REKEY_REAL_PARTS"]:
        monkeypatch.delenv(name)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


# ---- the engine, on the practice directory ---------------------------------------------------------------------------


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every error of ours said, whether or not anybody showed it."""
    said: list[str] = []
    original = RekeyError.__init__

    def remembering(self: RekeyError, *arguments: Any) -> None:
        said.append(repr(arguments))
        original(self, *arguments)

    monkeypatch.setattr(RekeyError, "__init__", remembering)
    return said


class Sightings:
    """Stands between Rekey and the practice directories: remembers each password, and what the living look like."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passwords: set[str] = set()
        self.looks: list[str] = []
        self.look = False
        self.broken = False
        set_password, confirm = PracticeDirectory.set_password, PracticeDirectory.confirm

        def setting(directory: PracticeDirectory, account: str, secret: SecretStr) -> str:
            self.passwords.add(secret.get_secret_value())
            if self.look:
                self.looks += _looks_of_the_living()
                self.look = False
            return set_password(directory, account, secret)

        def confirming(directory: PracticeDirectory, account: str, secret: SecretStr, *rest: Any, **more: Any) -> Proof:
            if self.broken:
                password = secret.get_secret_value()
                spelled = list(password)  # what a traceback with local variables would show
                raise RuntimeError(f"a defect of our own at {len(spelled)} characters")
            return confirm(directory, account, secret, *rest, **more)

        monkeypatch.setattr(PracticeDirectory, "set_password", setting)
        monkeypatch.setattr(PracticeDirectory, "confirm", confirming)


def _looks_of_the_living() -> list[str]:
    """`repr()` of every object of ours there is."""
    looks = []
    for thing in gc.get_objects():
        home = str(type(thing).__module__)
        if home.startswith(("bot.", "storage.")) and not home.startswith("bot.demo"):
            with contextlib.suppress(SQLAlchemyError):
                looks.append(repr(thing))
    return looks


def _an_eventful_evening(world: World, sightings: Sightings) -> dict[str, Status | None]:
    """Every way a rotation can go; what each record ended with."""
    corp, branch, far, shut, flawed = (world.directory(name) for name in ("corp", "branch", "far", "shut", "flawed"))
    names = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
    for name in names:
        corp.person(name, f"{AWKWARD}{name}", display_name=name)
    records = {name: world.matched(name, {"corp": name}, f"{AWKWARD}{name}") for name in names if name != "grace"}
    branch.person("grace", f"{AWKWARD}grace")
    records["grace"] = world.matched("grace", {"corp": "grace", "branch": "grace"}, f"{AWKWARD}grace")
    for domain, directory, name in ((far, "far", "ivan"), (shut, "shut", "judy"), (flawed, "flawed", "kim")):
        domain.person(name, f"{AWKWARD}{name}")
        records[name] = world.matched(name, {directory: name}, f"{AWKWARD}{name}")

    corp.fails("set_password", with_=Fault.REFUSED, account="bob", times=None)
    corp.fails("set_password", with_=Fault.POLICY, account="carol", times=2)
    corp.fails("set_password", with_=Fault.POLICY, account="dave", times=None)
    corp.fails("set_password", with_=Fault.LOST_AFTER, account="erin")
    corp.fails("set_password", with_=Fault.LOST_BEFORE, account="frank")
    branch.fails("set_password", with_=Fault.REFUSED, account="grace", times=None)
    corp.fails("set_password", with_=Fault.OVERTAKEN, account="heidi")
    far.fails("set_password", with_=Fault.DIES_AFTER, account="ivan")
    shut.fails("any", with_=Fault.SIGN_IN_REFUSED, times=None)

    sightings.look = True
    world.rotates(*(record for name, record in records.items() if name != "kim"))
    far.comes_back()
    world.drains_until_ended(records["ivan"])

    sightings.broken = True
    world.asks(records["kim"])
    world.drains_once()
    sightings.broken = False
    world.asks(records["kim"])
    public = world.safe.escrow.directory / "recovery.pub"
    kept = public.read_bytes()
    public.unlink()  # the escrow disk is not mounted any more
    world.asks(records["alice"])
    world.drains_once()
    public.write_bytes(kept)
    world.drains_until_ended(records["kim"], records["alice"])
    return {stands.record.name: stands.status for stands in world.status(*records.values())}


@pytest.mark.parametrize(("kind", "style"), list(zip(KINDS, ["console", "json"], strict=True)))
def test_rotations_at_debug_level_write_no_secret_whatever_happens(
    kind: str,
    style: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: list[str],
) -> None:
    leaks, sightings = Leaks(), Sightings(monkeypatch)
    with migrated_database(kind, request, tmp_path) as database:
        world = World.build(database, tmp_path)
        logs.start("debug", style)
        ended = _an_eventful_evening(world, sightings)

        well = {"alice", "carol", "erin", "frank", "ivan", "kim"}
        assert {name for name, status in ended.items() if status is Status.SUCCESSFUL} == well
        assert ended["judy"] is Status.API_ERROR
        assert {ended[name] for name in ("bob", "dave", "grace", "heidi")} == {Status.FAILED}

        for domain in world.domains.values():
            for account in domain.all_accounts():
                leaks.knows(f"a password of {account.username}", account.password, *account.earlier)
        leaks.knows("a password that was sent", *sightings.passwords)
        leaks.knows("a revision", *_revisions(database, world.safe.keys))
        _know_keys(leaks, tmp_path / "key")
        assert len(sightings.passwords) > 12

        shown = capsys.readouterr()
        assert "lane.broken" in shown.err, "the escrow disk was gone"
        assert "step.defect" in shown.err
        assert "a defect of our own" in shown.err, "the traceback of a defect is part of what is searched"
        found = leaks.found_in("the log", shown.err) + leaks.found_in("stdout", shown.out)
        found += leaks.found_in("an error", "\n".join(raised))
        assert len(sightings.looks) > 100
        found += leaks.found_in("a repr", "\n".join(sightings.looks))
        found += leaks.found_beneath(tmp_path, but_for={"key"})
        url = database.engine.url.render_as_string(hide_password=False)
        found += [finding for column, value in columns(url) for finding in leaks.found_in(column, value)]
    assert found == []


def _revisions(database: Database, keys: KeyRing) -> list[str]:
    """Every password the vault ever held."""
    from storage.escrow import Escrow
    from storage.revisions import Safe

    safe = Safe(keys, Escrow(Path("nowhere")))
    with database.reading() as session:
        return [
            open_revision(safe, home.uid, record.uid, revision).get_secret_value()
            for home in session.exec(select(Organization))
            for record in session.exec(select(Record).where(Record.organization_id == home.id))
            for revision in revisions_of(session, record.id)
        ]


def _know_keys(leaks: Leaks, key_file: Path, recovery_file: Path | None = None) -> None:
    for line in key_file.read_text().split():
        key_id, _, encoded = line.partition(":")
        leaks.knows(f"the key {key_id}", encoded, base64.b64decode(encoded))
        ring = KeyRing.load(key_file)
        leaks.knows(f"a key derived from {key_id}", *(ring.derive(key_id, purpose) for purpose in ("audit", "backup")))
    if recovery_file is not None:
        text = recovery_file.read_text()
        key = load_pem_private_key(text.encode(), password=None)
        assert isinstance(key, X25519PrivateKey)
        leaks.knows("the recovery key", text.splitlines()[1], key.private_bytes_raw())


# ---- the program, on a real domain -----------------------------------------------------------------------------------


_AS_CHILDREN = {"init", "rotate", "doctor", "reveal", "recover"}
"""Commands run as real child processes; each costs a second, so the others run in this one."""


class Watched:
    """The program at debug level; keeps everything it wrote."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.written: list[tuple[str, str]] = []
        self.revealed: list[str] = []

    def __call__(self, *words: object, code: int = 0, **variables: str) -> Result:
        """Run `rekey WORDS…`, which exits with this code."""
        style = "json" if len(self.written) % 4 else "console"
        level = {"REKEY_LOG_LEVEL": "debug", "REKEY_LOG_FORMAT": style, "REKEY_BACKOFF_CAP_SECONDS": "0.2"}
        variables |= level
        if _AS_CHILDREN & set(map(str, words[:2])):
            done = self.program.process(*words, timeout=120, **variables)
        else:
            done = self.program(*words, **variables)
        what = f"rekey {' '.join(map(str, words))}"
        assert done.code == code, f"{what} exited {done.code}: {done.err}"
        self.written.append((f"stderr of {what}", done.err))
        if words[0] == "reveal":
            self.revealed.append(done.out)
        else:
            self.written.append((f"stdout of {what}", done.out))
        return done


def _vault_file(path: Path, passwords: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "username", "password", "url", "notes"])
        writer.writerows([f"{name} sign-in", name, password, "", ""] for name, password in passwords.items())
    return path


def test_the_program_shows_no_secret_but_in_what_reveal_prints(rekey_folder: Path, corp: Domain, proxy: Proxy) -> None:
    ou = corp.create_ou()
    jane, jim, joe = (
        corp.create_user(unique_name(stem), f"{AWKWARD}-{stem}", ou=where)
        for stem, where in (("jane", ou), ("jim", ou), ("joe", f"CN=Users,{corp.base_dn}"))
    )
    people = (jane, jim, joe)
    typed, somebodys, wrong = "typed-into-the-file-7!", "Somebody-elses-pick-8!", "not-the-connectors-9!"
    rekey = Watched(Program(rekey_folder, {"REKEY_SECRET_ACME": corp.service_password}))
    leaks = Leaks()
    leaks.knows("the connector's password", corp.service_password, wrong, typed)
    leaks.knows("an imported password", *(each.password for each in people))
    leaks.knows("somebody's password", somebodys)

    rekey("keys", "init")
    described = world_of(corp)
    (directory,) = described["organizations"][0]["directories"]
    directory["servers"] = [{"host": proxy.host, "port": proxy.port, "tls_name": corp.tls_name}]
    world = rekey_folder / "world.yaml"
    world.write_text(yaml.safe_dump({**described, "organizations": [_typed_in(described, typed)]}))
    rekey("apply", world, "--yes", code=2)
    world.write_text(yaml.safe_dump(described))
    rekey("apply", world, "--yes", code=2, REKEY_SECRET_ACME="")
    rekey("apply", world, "--yes", "--json")
    rekey("sync")
    vault = _vault_file(rekey_folder / "vault.csv", {each.name: each.password for each in people})
    whole = vault.read_bytes()
    for spoilt in (whole.rstrip(b'"\r\n,') + b'"', whole.replace(b"password", b"pass", 1), whole + b"\xff\xfe"):
        vault.write_bytes(spoilt)
        rekey("records", "import", vault, code=2)
    vault.write_bytes(whole)
    rekey("records", "import", vault)
    vault.unlink()  # it is the operator's file, and says so
    rekey("matches", "approve", *(each.name for each in people))
    records = {each.name: f"{each.name} sign-in" for each in people}

    rekey("rotate", "--record", records[jane.name], "--dry-run", "--json")
    rekey("rotate", "--record", records[jane.name])
    set_at = corp.set_at(jane.dn)
    proxy.lose_reply(lambda: corp.set_at(jane.dn) != set_at)
    rekey("rotate", "--record", records[jane.name], "--json")
    assert proxy.lost.is_set()
    assert "API Error" in rekey("rotate", "--record", records[joe.name], code=1).out

    def overtaken() -> bool:
        """Somebody resets the password right after us, and our reply is lost."""
        if corp.set_at(jim.dn) == before:
            return False
        corp.set_password(jim.dn, somebodys)
        return True

    before = corp.set_at(jim.dn)
    proxy.lose_reply(overtaken)
    rekey("rotate", "--record", records[jim.name], code=1)
    undecided = rekey("reveal", records[jim.name], "--json").json
    assert undecided["password"] == jim.password
    assert len(undecided["alternatives"]) == 1

    proxy.refuse()
    proxy.cut()
    rekey("rotate", "--record", records[jane.name], code=3)
    rekey("doctor", code=3)
    rekey("sync", code=3)
    proxy.accept_again()
    rekey("rotate", "--record", records[jane.name])
    rekey("apply", world, "--yes", REKEY_SECRET_ACME=wrong)
    rekey("doctor", code=1)
    rekey("rotate", "--record", records[jane.name], code=1)
    rekey("apply", world, "--yes")
    rekey("stop", "Acme Dental")
    rekey("start", "Acme Dental")

    rekey("status", "--json")
    rekey("history", records[jane.name], "--json")
    rekey("matches", "list", "--json")
    rekey("records", "list", "--csv")
    rekey("export")
    rekey("doctor", "--json")
    rekey("backup", rekey_folder / "rekey.backup")
    rekey("keys", "rotate")
    rekey("keys", "compromised", "--yes")
    rekey("audit", "verify")
    for form in ("--json", "--csv"):
        rekey("audit", "export", form)
    fresh = {"REKEY_DATABASE_URL": f"sqlite:///{rekey_folder}/restored.db"}
    rekey("restore", rekey_folder / "rekey.backup", code=0, **fresh)
    rekey("recover", "--key", rekey_folder / "recovery.key", code=0, **fresh)
    rekey("recover", "--key", rekey_folder / "recovery.key", REKEY_DATABASE_URL=f"sqlite:///{rekey_folder}/new.db")
    _broken_settings(rekey, leaks)

    rekey("reveal", records[jane.name])
    shown = json.loads(rekey("reveal", records[jane.name], "--json").out)["password"]
    assert rekey.revealed[-2] == f"{shown}\n"
    _know_keys(leaks, rekey_folder / "rekey.key", rekey_folder / "recovery.key")
    database = Database(f"sqlite:///{rekey_folder}/rekey.db")
    known = _revisions(database, KeyRing.load(rekey_folder / "rekey.key"))
    database.dispose()
    assert shown in known
    assert len(known) == 8  # three imported, four of jane's, one of jim's
    leaks.knows("a revision", *known)

    found = [finding for where, content in rekey.written for finding in leaks.found_in(where, content)]
    found += leaks.found_beneath(rekey_folder, but_for={"rekey.key", "recovery.key"})
    assert found == []
    assert leaks.found_in("what reveal printed", rekey.revealed[-1]), "the search knows the present password"


def _typed_in(described: dict[str, Any], password: str) -> dict[str, Any]:
    (organization,) = described["organizations"]
    (directory,) = organization["directories"]
    return {**organization, "directories": [{**directory, "bind_password": password}]}


def _broken_settings(rekey: Watched, leaks: Leaks) -> None:
    """Keys and passwords that do not fit where they stand are not repeated."""
    half = base64.b64encode(b"half of a master key").decode()
    leaks.knows("a broken master key", half)
    key_file = rekey.program.folder / "rekey.key"
    text = key_file.read_text()
    key_file.unlink()
    program = rekey.program
    plain = Watched(Program(program.folder, {**program.environment, "REKEY_KEY_FILE": ""}))
    plain("status", code=1, REKEY_MASTER_KEY=f"mine:{half}")
    plain("status", code=1, REKEY_MASTER_KEY=half)
    rekey.written += plain.written
    rekey("status", code=2, REKEY_MASTER_KEY=text)  # two keys at once
    key_file.write_text(f"mine:{half}\n")
    key_file.chmod(0o600)
    rekey("status", code=1)
    key_file.write_text(text)
    leaks.knows("a database's password", "the-databases-own-5!")
    rekey("status", code=1, REKEY_DATABASE_URL="postgresql://rekey:the-databases-own-5!@127.0.0.1:1/rekey")
    rekey("status", code=2, REKEY_DATABASE_URL="mysql://rekey:the-databases-own-5!@127.0.0.1:1/rekey")


@pytest.fixture
def rekey_folder(tmp_path: Path) -> Path:
    """A folder of its own: pytest keeps nothing else in it."""
    folder = tmp_path / "rekey"
    folder.mkdir()
    return folder
