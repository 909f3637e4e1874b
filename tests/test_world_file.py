"""The world file: what fits is applied once and wholly; what does not is one sentence with file, line and field."""

from pathlib import Path

import pytest

from bot.errors import BadInput
from bot.settings import Settings
from bot.world_file.reading import World, read_world
from tests.world import ACME, certificate, write_world

PASSWORD = "Not-in-any-message-1"


@pytest.fixture(autouse=True)
def _the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_SECRET_ACME", PASSWORD)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    return Settings(key_file=tmp_path / "rekey.key", secrets_dir=secrets)


def refused(folder: Path, settings: Settings, text: str) -> str:
    with pytest.raises(BadInput) as caught:
        read_world(write_world(folder, text), settings)
    message = str(caught.value)
    assert "\n" not in message
    assert PASSWORD not in message
    return message


def read(folder: Path, settings: Settings, text: str = ACME) -> World:
    return read_world(write_world(folder, text), settings)


# ---- what fits ------------------------------------------------------------------------------------------------------


def test_the_file_of_the_handbook_is_read_whole(tmp_path: Path, settings: Settings) -> None:
    world = read(tmp_path, settings)
    assert world.administrators == ("U0ADMIN",)
    (acme,) = world.organizations
    assert acme.entry.tiers == {"shared": ["reception"], "break-glass": ["emergency"]}
    (directory,) = acme.directories
    assert directory.settings["servers"] == [{"host": "127.0.1.11", "port": 636, "tls_name": "dc1.corp.example.test"}]
    assert directory.settings["ca"] == certificate()[0]
    assert directory.secret is not None
    assert directory.secret.get_secret_value() == PASSWORD
    assert PASSWORD not in repr(world)


def test_paths_start_at_the_folder_of_the_file(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_world(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_world(Path("..") / path.name, settings).organizations[0].directories[0].settings["ca"]


def test_a_secret_file_is_read_without_its_last_line_end(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "secrets" / "acme").write_text("pass word \r\n", encoding="utf-8")
    world = read(tmp_path, settings, ACME.replace("env:REKEY_SECRET_ACME", "file:acme"))
    secret = world.organizations[0].directories[0].secret
    assert secret is not None
    assert secret.get_secret_value() == "pass word "


def test_a_server_whose_name_has_no_address_is_a_note_and_judged_when_connecting(
    tmp_path: Path, settings: Settings
) -> None:
    world = read(tmp_path, settings, ACME.replace("127.0.1.11", "dc1.nowhere.invalid"))
    assert len(world.notes) == 1
    assert "dc1.nowhere.invalid" in world.notes[0]


# ---- broken YAML and its clever parts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("organizations:\n  - name: [Acme\n", 3),
        ("administrators: {U0ADMIN\norganizations: []\n", 2),
        ("administrators: []\n---\nadministrators: []\n", 2),
        ("organizations:\n\t- name: Acme\n", 2),
        ("name: 'Acme\n", 2),
    ],
)
def test_broken_yaml_is_refused_with_its_line(tmp_path: Path, settings: Settings, text: str, line: int) -> None:
    message = refused(tmp_path, settings, text)
    assert message.startswith(f"{tmp_path / 'world.yaml'}, line {line}, ")
    assert "YAML" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("administrators: &them [U0ADMIN]\n", "anchor &them"),
        ("rule: {}\nadministrators: *them\n", "alias *them"),
        ("administrators: !!python/object:os.system [U0ADMIN]\n", "tag"),
        ("rule: !!map {}\n", "tag"),
        ("administrators: " + "[" * 100 + "]" * 100, "nested"),
        ("rule: {}\n1: 2\n", "plain word"),
        ("rule: {}\n? [a]\n: b\n", "plain word"),
        ("rule: {}\n<<: {}\n", "plain word"),
    ],
)
def test_the_clever_parts_of_yaml_are_refused(tmp_path: Path, settings: Settings, text: str, words: str) -> None:
    assert words in refused(tmp_path, settings, text)


def test_a_key_that_stands_twice_is_refused_with_both_lines(tmp_path: Path, settings: Settings) -> None:
    message = refused(tmp_path, settings, "rule: {}\nadministrators: []\nrule: {length: 30}\n")
    assert "line 3, rule: this key stands here twice; the first one is on line 1" in message


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "world.yaml"
    path.write_bytes("administrators: []\n# Zürich\n".encode("latin-1"))
    with pytest.raises(BadInput, match="line 2: this is not UTF-8"):
        read_world(path, settings)


def test_a_file_that_is_not_there_or_far_too_large_is_refused(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_world(tmp_path / "absent.yaml", settings)
    (tmp_path / "large.yaml").write_text("# " + "x" * 5_000_000, encoding="utf-8")
    with pytest.raises(BadInput, match="larger than"):
        read_world(tmp_path / "large.yaml", settings)


def test_an_empty_file_is_an_empty_world(tmp_path: Path, settings: Settings) -> None:
    assert read(tmp_path, settings, "").organizations == ()


# ---- what stands in the wrong place ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "line", "field", "words"),
    [
        ("    channel: C0ACME", "    chanel: C0ACME", 5, "organizations[0].chanel", "did you mean channel?"),
        ("administrators:", "admins:", 1, "admins", "did you mean administrators?"),
        ("        bind_dn:", "        binddn:", 15, "organizations[0].directories[0].binddn", "bind_dn"),
        ("port: 636", "prot: 636", 13, "organizations[0].directories[0].servers[0].prot", "did you mean port?"),
        ("port: 636", "port: 99999", 13, "organizations[0].directories[0].servers[0].port", "65535"),
        ("port: 636", "port: '636'", 13, "organizations[0].directories[0].servers[0].port", "integer"),
        ("channel: C0ACME", "channel: '#acme'", 5, "organizations[0].channel", "Slack channel id"),
        ("[U0TECH]", "[U0TECH, bob]", 7, "organizations[0].technicians[1]", "Slack user id"),
        ("[U0TECH]", "U0TECH", 7, "organizations[0].technicians", "a list"),
        ("Europe/London", "Europe/Londn", 6, "organizations[0].timezone", "did you mean Europe/London?"),
        ("[person,", "[persons,", 8, "organizations[0].bulk[0]", "did you mean person?"),
        ("[person,", "[break-glass,", 8, "organizations[0].bulk[0]", "break-glass cannot stand here"),
        ("{shared: [re", "{sharde: [re", 9, "organizations[0].tiers.sharde", "did you mean shared?"),
        ("{shared: [re", "{privileged: [re", 9, "organizations[0].tiers.privileged", "cannot stand here"),
        ("[emergency]", "[Reception]", 9, "organizations[0].tiers.break-glass[0]", "marked shared already"),
        ("name: Acme Dental", "name: ' '", 4, "organizations[0].name", "a name has 1 to 100"),
        ("name: Acme Dental", 'name: "Acme\\u202e"', 4, "organizations[0].name", "invisible"),
        ("name: Acme Dental", "name: 2024", 4, "organizations[0].name", "put it in quotes"),
        ("name: Acme Dental", "name: yes", 4, "organizations[0].name", "put it in quotes"),
        ("kind: active-directory", "kind: activedirectory", 12, "organizations[0].directories[0].kind", "did you mean"),
        ("kind: embedded", "kind: embeded", 17, "organizations[0].vault.kind", "did you mean embedded?"),
        ("{length: 20", "{length: 7", 2, "rule.length", "8"),
        ("{length: 20", "{lenght: 20", 2, "rule.lenght", "length"),
        ("bind_password: env:", "bind_password: Not-in-any-message-1", 16, "bind_password", "passwords do not stand"),
        ("env:REKEY_SECRET_ACME", "env:HOME", 16, "organizations[0].directories[0].bind_password", "REKEY_SECRET_"),
        ("env:REKEY_SECRET_ACME", "env:REKEY_SECRET_NONE", 16, "directories[0].bind_password", "not set"),
        ("env:REKEY_SECRET_ACME", "file:none", 16, "directories[0].bind_password", "No such file"),
        ("env:REKEY_SECRET_ACME", "file:../rekey.key", 16, "directories[0].bind_password", "not inside"),
        ("ca_file: acme-ca.pem", "ca_file: none.pem", 14, "directories[0].ca_file", "No such file"),
        ("ca_file: acme-ca.pem", "ca_file: world.yaml", 14, "directories[0].ca_file", "not a certificate"),
        ("127.0.1.11", "8.8.8.8", 13, "organizations[0].directories[0].servers[0].host", "outside the networks"),
        ("127.0.1.11", "169.254.169.254", 13, "directories[0].servers[0].host", "outside the networks"),
        ("127.0.1.11", "'::ffff:8.8.8.8'", 13, "directories[0].servers[0].host", "outside the networks"),
        (
            "servers: [{host: 127.0.1.11, port: 636, tls_name: dc1.corp.example.test}]",
            "servers: []",
            13,
            "servers",
            "1",
        ),
        ("    vault: {name: acme-vault, kind: embedded}\n", "", 4, "organizations[0].vault", "missing"),
        ("acme-vault", "Acme-AD", 11, "organizations[0].directories[0].name", "stands on line 17 already"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_file_line_and_field(
    tmp_path: Path, settings: Settings, before: str, after: str, line: int, field: str, words: str
) -> None:
    assert before in ACME
    message = refused(tmp_path, settings, ACME.replace(before, after, 1))
    assert message.startswith(f"{tmp_path / 'world.yaml'}, line {line}, ")
    assert field in message.split(": ")[0]
    assert words in message
    assert "Nothing was changed." in message


@pytest.mark.parametrize("name", ["Acme Dental", "ACME  dental"])
def test_an_organization_that_stands_twice_is_refused_whatever_its_capitals(
    tmp_path: Path, settings: Settings, name: str
) -> None:
    second = f"  - {{name: {name}, vault: {{name: v, kind: embedded}}}}\n"
    message = refused(tmp_path, settings, ACME + second)
    assert f"line 18, organizations[1].name: {name} stands on line 4 already" in message


def test_one_server_named_twice_is_refused(tmp_path: Path, settings: Settings) -> None:
    twice = ACME.replace("servers: [", "servers: [{host: 127.0.1.12, tls_name: DC1.corp.example.test}, ")
    assert "servers[1].host: dc1.corp.example.test:636 stands on line 13" in refused(tmp_path, settings, twice)


def test_a_channel_of_two_organizations_is_refused(tmp_path: Path, settings: Settings) -> None:
    second = "  - {name: Other, channel: C0ACME, vault: {name: v, kind: embedded}}\n"
    assert "organizations[1].channel: C0ACME stands on line 5" in refused(tmp_path, settings, ACME + second)


def test_a_ca_file_with_a_private_key_in_it_is_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "both.pem").write_text("".join(certificate()), encoding="utf-8")
    assert "private key" in refused(tmp_path, settings, ACME.replace("acme-ca.pem", "both.pem"))


def test_a_link_that_leads_out_of_the_secrets_folder_is_refused(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "outside").write_text("x", encoding="utf-8")
    (tmp_path / "secrets" / "link").symlink_to(tmp_path / "outside")
    message = refused(tmp_path, settings, ACME.replace("env:REKEY_SECRET_ACME", "file:link"))
    assert "not inside REKEY_SECRETS_DIR" in message


def test_the_first_wrong_line_is_the_one_that_is_named(tmp_path: Path, settings: Settings) -> None:
    text = ACME.replace("timezone: Europe/London", "timezone: Mars").replace("kind: embedded", "kind: paper")
    assert "line 6, organizations[0].timezone" in refused(tmp_path, settings, text)


def test_a_password_typed_behind_env_is_not_repeated(tmp_path: Path) -> None:
    path = write_world(tmp_path, ACME.replace("env:REKEY_SECRET_ACME", "env:Spring-2019!"))
    with pytest.raises(BadInput, match="may only name variables") as refused:
        read_world(path, Settings())
    assert "Spring" not in str(refused.value)
