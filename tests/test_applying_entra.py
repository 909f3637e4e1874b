"""Entra tenants in the world file: as the handbook writes them, sealed for their tenant, switched, and written back."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from bot.connections import checked_settings, credential_for, seal_credential, settings_of, still_sealed_for
from bot.directories.entra.settings import EntraCredential
from bot.errors import BadInput, Refused, SealBroken
from bot.world_file.export import export_world, written
from storage.models import Connection, now
from storage.sealing import KeyRing, new_key_line
from storage.switches import off_everywhere
from tests.test_applying import Applying, applying
from tests.world import ACME, certificate, rsa_certificate

__all__ = ["applying"]

SECRET, OTHER_SECRET, TOKEN = "Client-secret-1~", "Client-secret-2~", "0.refresh-token-of-the-partner"
TENANT, APP = "6f0c1d1e-0000-4000-8000-000000000001", "6f0c1d1e-0000-4000-8000-0000000000c1"
NORTHWIND = f"""\
organizations:
  - name: Northwind
    directories:
      - name: northwind-entra
        kind: entra
        tenant_id: {TENANT}
        client_id: {APP}
        client_secret: env:REKEY_SECRET_NORTHWIND
        rotation: true
        cloud: global
    vault: {{name: northwind-vault, kind: embedded}}
"""
HERE = "{login: https://localhost:8443, graph: https://localhost:8443, ca_file: acme-ca.pem}"
WITH_CERTIFICATE = NORTHWIND.replace(
    "client_secret: env:REKEY_SECRET_NORTHWIND",
    "certificate_file: app.pem\n        private_key: env:REKEY_SECRET_KEY",
)
WITH_TOKEN = NORTHWIND.replace("rotation: true", "refresh_token: env:REKEY_SECRET_TOKEN")


@pytest.fixture(autouse=True)
def _the_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "app.pem").write_text(rsa_certificate()[0], "ascii")
    monkeypatch.setenv("REKEY_SECRET_NORTHWIND", SECRET)
    monkeypatch.setenv("REKEY_SECRET_KEY", rsa_certificate()[1])
    monkeypatch.setenv("REKEY_SECRET_TOKEN", TOKEN)


def credential(applying: Applying) -> EntraCredential:
    stored = applying.connection("northwind-entra")
    return EntraCredential.parse(credential_for(stored, applying.services.safe.keys))


def refused(applying: Applying, text: str) -> str:
    with pytest.raises(BadInput) as caught:
        applying.plan(text)
    message = str(caught.value)
    assert not any(each in message for each in (SECRET, TOKEN, rsa_certificate()[1][40:80]))
    return message


def test_the_entry_of_the_handbook_is_applied_and_then_there_is_nothing_to_do(applying: Applying) -> None:
    shown = applying.apply(NORTHWIND)
    assert f"+ directory northwind-entra of Northwind (entra, tenant {TENANT})" in shown.changes
    stored = applying.connection("northwind-entra")
    assert settings_of(stored) == {"tenant_id": TENANT, "client_id": APP, "cloud": "global"} | {
        "certificate": None,
        "client_secret_ends": None,
    }
    assert credential(applying).client_secret == SecretStr(SECRET)
    assert stored.off_at is None
    assert applying.plan(NORTHWIND).changes == []
    assert SECRET not in applying.everything()


@pytest.mark.parametrize("text", [NORTHWIND, WITH_CERTIFICATE, WITH_TOKEN])
def test_what_is_exported_is_what_apply_would_find_nothing_to_do_with(applying: Applying, text: str) -> None:
    applying.apply(text)
    with applying.services.database.reading() as session:
        exported = written(export_world(session))
    assert not any(each in exported for each in (SECRET, TOKEN, rsa_certificate()[1][40:80]))
    assert "env:REKEY_SECRET_" in exported
    assert applying.plan(exported).changes == []


def test_a_certificate_signs_in_in_place_of_a_secret_and_its_end_is_known(applying: Applying) -> None:
    applying.apply(NORTHWIND.replace("rotation: true", "client_secret_ends: 2027-05-31"))
    ends = applying.connection("northwind-entra").credential_ends_at
    assert ends is not None
    assert str(ends.date()) == "2027-05-31"
    shown = applying.apply(WITH_CERTIFICATE)
    assert any("credential taken" in each and SECRET not in each for each in shown.changes)
    stored = applying.connection("northwind-entra")
    assert settings_of(stored)["certificate"] == rsa_certificate()[0]
    assert stored.credential_ends_at is not None
    assert stored.credential_ends_at > ends
    assert credential(applying).private_key is not None
    assert credential(applying).client_secret is None
    assert "+00:00" in stored.credential_ends_at.isoformat()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (TENANT, "6f0c1d1e-0000-4000-8000-000000000002", "tenant changed from"),
        (APP, "6f0c1d1e-0000-4000-8000-0000000000c2", "app changed from"),
        ("cloud: global", "cloud: us-gov", "sign-in host changed from https://login.microsoftonline.com to"),
    ],
)
def test_another_tenant_app_or_cloud_asks_for_the_credential_again(
    applying: Applying, before: str, after: str, words: str
) -> None:
    applying.apply(NORTHWIND)
    changed = NORTHWIND.replace(before, after)
    without = changed.replace("        client_secret: env:REKEY_SECRET_NORTHWIND\n", "")
    assert "has to be given again" in refused(applying, without)
    stored = applying.connection("northwind-entra")
    wanted = yaml.safe_load(changed)["organizations"][0]["directories"][0]
    stored.settings = {**stored.settings, **{key: wanted[key] for key in ("tenant_id", "client_id", "cloud")}}
    with pytest.raises(SealBroken, match=words):
        credential_for(stored, applying.services.safe.keys)
    applying.apply(changed)
    assert credential(applying).client_secret == SecretStr(SECRET)


def test_switching_and_a_written_down_day_do_not_ask_for_the_credential_again(applying: Applying) -> None:
    applying.apply(NORTHWIND)
    without = NORTHWIND.replace("        client_secret: env:REKEY_SECRET_NORTHWIND\n", "")
    off = without.replace("rotation: true", "rotation: false\n        client_secret_ends: 2027-05-31")
    shown = applying.apply(off)
    assert any("rotation yes → no" in each for each in shown.changes)
    assert applying.plan(off).changes == []
    stored = applying.connection("northwind-entra")
    assert stored.off_at is not None
    assert credential(applying).client_secret == SecretStr(SECRET)
    with applying.services.database.reading() as session:
        exported = export_world(session)
    assert exported["organizations"][0]["directories"][0]["rotation"] is False
    applying.apply(without)
    assert applying.connection("northwind-entra").off_at is None


def test_the_switches_of_ad_and_of_everything_stand_in_the_file_too(applying: Applying) -> None:
    applying.apply()
    shown = applying.apply("rotation: false\n" + ACME.replace("bind_dn:", "users_sync: false\n        bind_dn:"))
    assert "~ rotation everywhere: yes → no" in shown.changes
    assert "~ directory acme-ad of Acme Dental: users_sync yes → no" in shown.changes
    assert applying.connection().off_by == "rekey apply"
    with applying.services.database.reading() as session:
        assert off_everywhere(session) is not None
        exported = written(export_world(session))
    assert applying.plan(exported).changes == []
    assert [each for each in applying.plan("rotation: true\n" + ACME).changes if "everywhere" in each]


def test_a_refreshed_partner_token_outlives_apply_and_a_renewed_secret(
    applying: Applying, monkeypatch: pytest.MonkeyPatch
) -> None:
    applying.apply(WITH_TOKEN)
    keys = applying.services.safe.keys
    with applying.services.database.writing() as session:
        stored = session.get_one(Connection, applying.connection("northwind-entra").id)
        seal_credential(stored, keys, credential(applying).refreshed(SecretStr("newer-token")).text())
        session.add(stored)
    assert applying.plan(WITH_TOKEN).changes == []
    monkeypatch.setenv("REKEY_SECRET_NORTHWIND", OTHER_SECRET)
    applying.apply(WITH_TOKEN)
    assert credential(applying).client_secret == SecretStr(OTHER_SECRET)
    assert credential(applying).refresh_token == SecretStr("newer-token")
    monkeypatch.setenv("REKEY_SECRET_TOKEN", "given-anew")
    applying.apply(WITH_TOKEN)
    assert credential(applying).refresh_token == SecretStr("given-anew")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (NORTHWIND.replace(TENANT, "northwind"), "tenant_id: this is an id such as"),
        (NORTHWIND.replace("cloud: global", "cloud: mars"), "is one of global, us-gov, us-dod, china"),
        (NORTHWIND.replace("cloud: global", f"cloud: {HERE}"), "REKEY_EXTRA_HOSTS: localhost:8443"),
        (NORTHWIND.replace("cloud: global", "cloud: {login: http://x, graph: https://y}"), "https://HOST"),
        (NORTHWIND.replace("env:REKEY_SECRET_NORTHWIND", SECRET), "passwords do not stand in this file"),
        (WITH_TOKEN.replace("        client_secret: env:REKEY_SECRET_NORTHWIND\n", ""), "proves itself besides"),
        (
            WITH_CERTIFICATE.replace("        certificate_file: app.pem\n", ""),
            "it belongs to is missing",
        ),
        (WITH_CERTIFICATE.replace("REKEY_SECRET_KEY", "REKEY_SECRET_NORTHWIND"), "no private key in PEM form"),
        (NORTHWIND.replace("rotation: true", "certificate_file: acme-ca.pem"), "keep one of them"),
        (NORTHWIND.replace("rotation: true", "client_secret_ends: soon"), "this is a day such as"),
        (NORTHWIND.replace("rotation: true", "rotaton: true"), "did you mean rotation?"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_its_place(applying: Applying, text: str, words: str) -> None:
    assert words in refused(applying, text)


def test_a_place_of_its_own_is_taken_when_the_settings_name_it(applying: Applying, tmp_path: Path) -> None:
    services = applying.services
    settings = services.settings.model_copy(update={"extra_hosts": ("localhost:8443",)})
    object.__setattr__(services, "settings", settings)
    applying.apply(NORTHWIND.replace("cloud: global", f"cloud: {HERE}"))
    stored = settings_of(applying.connection("northwind-entra"))
    assert stored["cloud"] == {
        "login": "https://localhost:8443",
        "graph": "https://localhost:8443",
        "ca": certificate()[0],
    }
    with services.database.reading() as session:
        exported = written(export_world(session))
    assert applying.plan(exported).changes == []
    assert json.dumps(str(tmp_path)) not in exported


def test_no_host_but_microsofts_own_and_the_settings_is_ever_met() -> None:
    given: dict[str, Any] = {"tenant_id": TENANT, "client_id": APP}
    given["cloud"] = {"login": "https://login.microsoftonline.com", "graph": "https://graph.evil.test"}
    with pytest.raises(Refused, match=r"graph\.evil\.test:443"):
        checked_settings("entra", given, {}, ("localhost:8443",))
    assert checked_settings("entra", given, {}, ("graph.evil.test:443",))["cloud"]["graph"] == "https://graph.evil.test"


def test_a_credential_copied_to_another_tenant_does_not_open() -> None:
    keys = KeyRing.parse(new_key_line())
    one, other = (
        Connection(
            organization_id=1,
            name=name,
            name_key=name,
            side="directory",
            kind="entra",
            settings={"tenant_id": tenant, "client_id": APP},
            created_at=now(),
        )
        for name, tenant in (("one", TENANT), ("other", APP))
    )
    seal_credential(one, keys, EntraCredential.of({"client_secret": SecretStr(SECRET)}).text())
    other.credential = one.credential
    assert not still_sealed_for(other)
    with pytest.raises(SealBroken):
        credential_for(other, keys)
