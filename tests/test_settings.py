"""What the environment may say, and what a wrong word in it gets for an answer."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from bot.errors import BadInput
from bot.settings import Settings, load, variable_of


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.chdir(tmp_path)


def test_an_empty_environment_gives_working_defaults_with_absolute_paths(tmp_path: Path) -> None:
    settings = load()
    assert settings.database_url.get_secret_value() == "sqlite:///rekey.db"
    assert settings.key_file == tmp_path / "rekey.key"
    assert settings.escrow_dir == tmp_path / "escrow"
    assert ip_network("10.0.0.0/8") in settings.directory_networks
    assert ip_network("169.254.0.0/16") not in settings.directory_networks


def test_the_escrow_folder_stays_beside_the_key_file_unless_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_KEY_FILE", "/keys/ring")
    assert load().escrow_dir == Path("/keys/escrow")
    monkeypatch.setenv("REKEY_ESCROW_DIR", "/other/disk")
    assert load().escrow_dir == Path("/other/disk")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_ADMINISTRATORS", "U0ONE, U0TWO,")
    monkeypatch.setenv("REKEY_DIRECTORY_NETWORKS", "192.0.2.0/24,2001:db8::/32")
    monkeypatch.setenv("REKEY_EXTRA_HOSTS", "Graph.Example.test:443, localhost:8443")
    settings = load()
    assert settings.extra_hosts == ("graph.example.test:443", "localhost:8443")
    assert settings.administrators == ("U0ONE", "U0TWO")
    assert settings.directory_networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REKEY_DIRECTORY_NETWORKS", "10.0.0.1/8"),
        ("REKEY_DIRECTORY_NETWORKS", "the office"),
        ("REKEY_EXTRA_HOSTS", "graph.example.test"),
        ("REKEY_EXTRA_HOSTS", "https://graph.example.test:443"),
        ("REKEY_EXTRA_HOSTS", "graph.example.test:0"),
        ("REKEY_POOL_SIZE", "many"),
        ("REKEY_POOL_SIZE", "0"),
        ("REKEY_LEASE_SECONDS", "-1"),
        ("REKEY_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput) as caught:
        load()
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_name_is_refused_with_the_right_one_and_a_strangers_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REKEY_SECRET_ACME", "hunter2")
    monkeypatch.setenv("REKEY_TEST_SAMBA", "1")
    load()
    monkeypatch.setenv("REKEY_ESCROWDIR", "/x")
    with pytest.raises(BadInput, match="REKEY_ESCROW_DIR"):
        load()


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.setenv(variable_of(field), "")
    settings = load()
    assert settings.master_key is None
    assert settings.secrets_dir is None
    assert settings.key_file == tmp_path / "rekey.key"


def test_two_keys_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_KEY_FILE", "a.key")
    monkeypatch.setenv("REKEY_MASTER_KEY", "b:c2VjcmV0")
    with pytest.raises(BadInput, match="REKEY_KEY_FILE and REKEY_MASTER_KEY"):
        load()


def test_settings_show_no_secret_and_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKEY_DATABASE_URL", "postgresql://rekey:hunter2@localhost/rekey")
    monkeypatch.setenv("REKEY_MASTER_KEY", "k1:c2VjcmV0")
    settings = load()
    assert "hunter2" not in repr(settings)
    assert "c2VjcmV0" not in repr(settings)
    with pytest.raises(ValueError, match="frozen"):
        settings.pool_size = 3  # type: ignore[misc]


def test_the_pages_are_on_loopback_until_an_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load().pages_url == "http://127.0.0.1:8080"
    monkeypatch.setenv("REKEY_BASE_URL", "https://rekey.example.test/")
    assert load().pages_url == "https://rekey.example.test"


@pytest.mark.parametrize(
    "value", ["http://localhost:9000", "http://127.0.0.1", "http://[::1]:8080", "https://a.test:8443"]
)
def test_pages_may_be_at_https_or_on_this_machine(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REKEY_BASE_URL", value)
    assert load().pages_url == value


@pytest.mark.parametrize(
    "value",
    ["http://rekey.example.test", "http://127.0.0.1.evil.test", "ftp://a.test", "rekey.example.test", "https://a.test/b",
     "https://u:p@a.test", "https://a.test/#x", "http://10.0.0.1"],
)  # fmt: skip
def test_passwords_are_never_shown_over_plain_http_elsewhere(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REKEY_BASE_URL", value)
    with pytest.raises(BadInput, match="REKEY_BASE_URL"):
        load()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"HOST": "smtp.example.com"}, "REKEY_SMTP_FROM"),
        ({"HOST": "smtp.example.com", "FROM": "nobody"}, "REKEY_SMTP_FROM"),
        ({"HOST": "smtp.example.com", "FROM": "a@b.c", "USER": "rekey"}, "REKEY_SMTP_PASSWORD"),
        ({"HOST": "smtp.example.com", "FROM": "a@b.c", "TLS": "none"}, "REKEY_SMTP_TLS=none"),
        ({"HOST": "smtp.example.com", "FROM": "a@b.c", "TLS": "ssl"}, "REKEY_SMTP_TLS"),
    ],
)
def test_a_mail_server_that_cannot_be_spoken_to_safely_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"REKEY_SMTP_{name}", value)
    with pytest.raises(BadInput, match=named):
        load()


@pytest.mark.parametrize(("tls", "port"), [("", 587), ("STARTTLS", 587), ("implicit", 465), ("none", 25)])
def test_the_mail_servers_port_follows_from_how_tls_begins(
    monkeypatch: pytest.MonkeyPatch, tls: str, port: int
) -> None:
    monkeypatch.setenv("REKEY_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("REKEY_SMTP_FROM", "Rekey <rekey@example.com>")
    monkeypatch.setenv("REKEY_SMTP_TLS", tls)
    assert load().mail_port == port
