"""The environment, read once and completely into a frozen `Settings`.

Every setting is an environment variable that starts with `REKEY_`; the workspace's own, with Slack's usual names, start
with `SLACK_`. A wrong value is one sentence that names its
variable. What a setting leaves open is decided here and nowhere else, so that no other file reads the environment
(connector credentials, `REKEY_SECRET_*`, excepted: the world file says which of them are taken from there).
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from email.utils import parseaddr
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import BadInput

Network = IPv4Network | IPv6Network

PREFIX = "REKEY_"
_HTTP_PORT = 8080
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
SECRET_PREFIX = "REKEY_SECRET_"  # noqa: S105 - the start of a variable's name
PRIVATE_NETWORKS: tuple[Network, ...] = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128"))
)


class LogLevel(StrEnum):
    """How much the log says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How the log is written: for people, or one JSON object a line."""

    CONSOLE = "console"
    JSON = "json"


class SmtpTls(StrEnum):
    """How the way to the mail server is secured."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    """TLS from the first byte, usually at port 465."""
    NONE = "none"
    """For a mail server on this very machine only."""


_SMTP_PORTS = {SmtpTls.STARTTLS: 587, SmtpTls.IMPLICIT: 465, SmtpTls.NONE: 25}


class Settings(BaseSettings):
    """What this process was told. Paths are absolute; relative ones start at the folder it was started in."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        validate_default=True,
        env_ignore_empty=True,
        populate_by_name=True,
    )

    database_url: SecretStr = SecretStr("sqlite:///rekey.db")
    """`sqlite:///FILE` or `postgresql://…`; secret because it may hold the database's password."""
    key_file: Path = Path("rekey.key")
    """The key ring that seals everything, readable by its owner only. `rekey keys init` makes it."""
    master_key: SecretStr | None = None
    """The key ring's text itself, for machines that hand secrets over in the environment; instead of `key_file`."""
    escrow_dir: Path = Path("escrow")
    """Where the escrow file and the audit trail's anchor live: beside the key file unless set; best on another disk."""
    secrets_dir: Path | None = None
    """The only folder `file:` references of the world file may point into."""
    administrators: Annotated[tuple[str, ...], NoDecode] = ()
    """Operators who are administrators everywhere, whatever the world file says; commas between."""
    directory_networks: Annotated[tuple[Network, ...], NoDecode] = PRIVATE_NETWORKS
    """Where directory servers may be; commas between. Link-local and metadata addresses never, even when named."""
    extra_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Hosts a vendor's connection may use beyond those every Rekey knows, as `host:port` in lower case."""

    second_administrator: bool = True
    """Whether rotating and reading privileged and break-glass accounts from Slack takes a second administrator; off is
    for one-person shops, and each such line of the audit trail says so."""
    rotations_per_hour: int = Field(default=1000, ge=1)
    """What one operator may start from Slack in an hour without a second person; a confirmed preview counts once."""

    reveals_per_hour: int = Field(default=20, ge=1)
    """How many passwords one operator may be shown in an hour without a second person."""
    shown_for_days: int = Field(default=7, ge=0, le=3650)
    """How many days Rekey's own page still shows a password that its vault outside holds; then it is read there."""
    step_up: bool = True
    """Whether showing a password and entering a credential takes a code of the operator's authenticator app."""
    base_url: str | None = None
    """Where people reach Rekey's own pages, https:// unless it is this machine; None: `http_port` on loopback."""
    http_port: int = Field(default=_HTTP_PORT, ge=0, le=65_535)
    """Where the pages are served, on loopback; a proxy that speaks https stands before it. 0: not by this process."""

    slack_bot_token: SecretStr | None = Field(default=None, validation_alias="SLACK_BOT_TOKEN")
    """The app's bot token, `xoxb-…`. Without it there is no Slack: `rekey serve` runs the lanes alone."""
    slack_app_token: SecretStr | None = Field(default=None, validation_alias="SLACK_APP_TOKEN")
    """The app-level token, `xapp-…`: Socket Mode, which needs no address that Slack can reach."""
    slack_signing_secret: SecretStr | None = Field(default=None, validation_alias="SLACK_SIGNING_SECRET")
    """Proves that a request is Slack's: HTTP mode, where there is no app-level token."""
    slack_api_url: str = Field(default="https://slack.com/api/", validation_alias="SLACK_API_URL")
    """Where Slack's Web API is, or that of any other server that speaks it."""

    smtp_host: str | None = None
    """The mail server e-mail goes out through. Without it there is no e-mail."""
    smtp_port: int | None = Field(default=None, ge=1, le=65_535)
    """None: 587, or 465 where TLS is implicit, or 25 without."""
    smtp_tls: SmtpTls = SmtpTls.STARTTLS
    smtp_ca: Path | None = None
    """A file with the authorities to trust there instead of this machine's."""
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_from: str | None = None
    """Whom e-mail is from: `Rekey <rekey@msp.example>`."""

    pool_size: int = Field(default=8, ge=1, le=100)
    """How many lanes are worked on at the same time."""
    lease_seconds: float = Field(default=60, ge=30, le=3600)
    """How long a silent worker keeps its lane before another may take it over; outside calls are given less."""
    backoff_cap_seconds: float = Field(default=900, ge=0.05, le=86_400)
    """The longest wait before a system that was away is looked at again."""
    look_again_seconds: float = Field(default=1, ge=0.05, le=3600)
    """How often every lane is looked at even though nobody asked."""

    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE

    @property
    def pages_url(self) -> str:
        """Where people reach Rekey's own pages, without a slash at the end."""
        return self.base_url or f"http://127.0.0.1:{self.http_port or _HTTP_PORT}"

    @property
    def mail_port(self) -> int:
        """Where the mail server listens."""
        return self.smtp_port or _SMTP_PORTS[self.smtp_tls]

    @field_validator("slack_bot_token", "slack_app_token")
    @classmethod
    def _right_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        other, right = {"slack_bot_token": ("xapp-", "xoxb-"), "slack_app_token": ("xoxb-", "xapp-")}[
            str(info.field_name)
        ]
        if value is not None and value.get_secret_value().startswith(other):
            raise ValueError(f"this is the other token; Slack's own start with {right}")
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _https_api(cls, value: str) -> str:
        parts = urlsplit(value)
        if not parts.hostname or parts.scheme not in ("http", "https") or parts.query or parts.fragment:
            raise ValueError("write it as https://slack.com/api/")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("tokens are sent there, so it must start with https://; http:// is for 127.0.0.1 only")
        return value if value.endswith("/") else f"{value}/"

    @field_validator("base_url")
    @classmethod
    def _https_or_loopback(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or parts.query
            or parts.fragment
            or parts.username
        ):
            raise ValueError("write it as https://rekey.example.com")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("passwords are shown there, so it must start with https://; http:// is for 127.0.0.1 only")
        if parts.path.strip("/"):
            raise ValueError("the pages live at the root of a host name: leave out what follows it")
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("administrators", "directory_networks", "extra_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("directory_networks", mode="wrap")
    @classmethod
    def _networks(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError("write networks as 10.1.0.0/16, with commas between") from None

    @field_validator("extra_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            host, colon, port = each.rpartition(":")
            if not colon or not _HOST.fullmatch(host) or not port.isdecimal() or not 0 < int(port) < 65_536:
                raise ValueError("write hosts as graph.example.com:443, with commas between")
        return tuple(each.lower() for each in value)

    @field_validator("log_level", "log_format", "smtp_tls", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("smtp_from")
    @classmethod
    def _one_address(cls, value: str | None) -> str | None:
        if value is not None and "@" not in parseaddr(value)[1].strip("@"):
            raise ValueError("write one address, as in Rekey <rekey@msp.example>")
        return value

    @model_validator(mode="after")
    def _a_mail_server_one_may_speak_to(self) -> Self:
        if self.smtp_host is None:
            return self
        if self.smtp_from is None:
            raise ValueError("REKEY_SMTP_HOST is set, but not REKEY_SMTP_FROM: whom shall e-mail be from")
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError("REKEY_SMTP_USER and REKEY_SMTP_PASSWORD go together, and only one of them is set")
        if self.smtp_tls is SmtpTls.NONE and not is_loopback(self.smtp_host):
            raise ValueError("REKEY_SMTP_TLS=none is for a mail server on this machine; REKEY_SMTP_HOST is another")
        return self

    @field_validator("key_file", "escrow_dir", "secrets_dir", "smtp_ca")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return Path(os.path.abspath(value.expanduser())) if value else None

    @model_validator(mode="before")
    @classmethod
    def _the_key_and_its_folder(cls, values: dict[str, Any]) -> dict[str, Any]:
        if values.get("master_key") and values.get("key_file"):
            raise ValueError("REKEY_KEY_FILE and REKEY_MASTER_KEY are both set. Keep the one that holds the key")
        beside = Path(values.get("key_file") or "rekey.key").parent / "escrow"
        return {**values, "escrow_dir": values.get("escrow_dir") or beside}


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself, by name or address."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def load() -> Settings:
    """Read the environment. `BadInput` naming the variable when a value does not fit or a name is misspelt."""
    _refuse_misspelt(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        words = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            words = f"{variable_of(str(first['loc'][0]))} does not fit: {words[0].lower()}{words[1:]}"
        raise BadInput(f"{words}. Nothing was done; set it right and start again.") from None


def variable_of(field: str) -> str:
    """The environment variable a setting is read from."""
    name = field.upper()
    return name if name.startswith("SLACK_") else f"{PREFIX}{name}"


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """A misspelt variable would silently leave its default in place. Names far from ours are somebody else's."""
    names = {variable_of(field) for field in Settings.model_fields}
    for name in sorted(environment):
        if name.startswith(PREFIX) and not name.startswith(SECRET_PREFIX) and name not in names:
            near = get_close_matches(name, names, n=1, cutoff=0.85)
            if near:
                raise BadInput(f"{name} is not a setting of Rekey. Did you mean {near[0]}? Nothing was done.")
