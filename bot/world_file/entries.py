"""What may stand where in the world file: strict models, so that nothing is guessed and nothing is ignored."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from bot.permissions import BULK_TIERS
from storage.models import Tier

MARKABLE = (Tier.SHARED, Tier.SERVICE, Tier.BREAK_GLASS)
"""The tiers `tiers:` may mark accounts with."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`; did you mean X?` for a near miss, else the choices."""
    choices = sorted(choices)
    near = get_close_matches(word.lower(), choices, n=1, cutoff=0.6)
    return f": did you mean {near[0]}?" if near else f"; possible here: {', '.join(choices)}"


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("world", "{message}", {"message": message})


def _name(text: str) -> str:
    if not text.strip() or text != text.strip() or len(text) > 100:
        raise _wrong("a name has 1 to 100 characters and no blanks around it")
    # Cc, Cf: control, zero-width and bidi characters, which make one name look like another.
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in text):
        raise _wrong("the name holds invisible characters: type it anew")
    return text


def _matching(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise _wrong(what)
        return text

    return AfterValidator(check)


_zones = cache(available_timezones)  # it reads a thousand files


def _timezone(text: str) -> str:
    zones = _zones()
    if text not in zones:
        near = get_close_matches(text, zones, n=1, cutoff=0.6)
        hint = f": did you mean {near[0]}?" if near else ", such as Europe/London"
        raise _wrong(f"{text} is not a time zone{hint}")
    return text


def _one_of(choices: Iterable[str]) -> AfterValidator:
    allowed = tuple(str(choice) for choice in choices)

    def check(text: str) -> str:
        if text not in allowed:
            raise _wrong(f"{text} cannot stand here{did_you_mean(text, allowed)}")
        return text

    return AfterValidator(check)


def reference(text: str) -> str:
    """The text, when it points at a secret; what is one is refused, and not repeated."""
    # The value may be a password that somebody wrote into the file: never repeat it.
    if not re.fullmatch(r"(env|file):\S.*", text):
        raise _wrong(
            "passwords do not stand in this file: write env:REKEY_SECRET_… or file:… here, and if a password stood "
            "here, give that account another one"
        )
    return text


def _guid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise _wrong("this is an id such as 6f0c1d1e-0000-4000-8000-000000000001") from None


def _day(value: str | date) -> str:
    try:
        return str(date.fromisoformat(str(value)))
    except ValueError:
        raise _wrong("this is a day such as 2027-05-31") from None


Guid = Annotated[str, AfterValidator(_guid)]
Reference = Annotated[str, AfterValidator(reference)]
Name = Annotated[str, AfterValidator(_name)]
OperatorId = Annotated[str, _matching(r"[UW][A-Z0-9]{2,}", "an operator is a Slack user id, such as U012AB3CD")]
ChannelId = Annotated[str, _matching(r"[CG][A-Z0-9]{2,}", "a channel is a Slack channel id, such as C012AB3CD")]
Username = Annotated[str, _matching(r"[^\x00-\x1f]{1,256}", "a username has 1 to 256 characters")]


class Entry(BaseModel):
    """A mapping of the file that takes exactly its own keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    raise PydanticCustomError(
                        "unknown_key",
                        "{message}",
                        {"key": key, "message": f"this key is not known{did_you_mean(key, cls.model_fields)}"},
                    )
        return value


class ServerEntry(Entry):
    """One server of a directory; `tls_name` is the name in its certificate where that is not `host`."""

    host: Annotated[str, _matching(r"[A-Za-z0-9._:-]{1,253}", "a host is a name, dc1.example.com, or an address")]
    port: int = Field(default=636, ge=1, le=65_535)
    tls_name: Annotated[str, _matching(r"[A-Za-z0-9._-]{1,253}", "this is not the name of a server")] | None = None


class DirectoryEntry(Entry):
    """What every directory has; the whole entry of a kind that needs nothing else."""

    name: Name
    kind: str
    own_record: Annotated[str, _matching(r"\S(.{0,298}\S)?", "a record's name has 1 to 300 characters")] | None = None
    """The name of the record of the account Rekey itself signs in with."""


class ActiveDirectoryEntry(DirectoryEntry):
    """An Active Directory domain. The CA stands in a file of its own (`ca_file`) or right here (`ca`); without either
    the servers answer to the CAs this machine trusts.
    """

    kind: Literal["active-directory"]
    servers: list[ServerEntry] = Field(min_length=1, max_length=20)
    ca_file: str | None = None
    ca: str | None = None
    bind_dn: Annotated[str, _matching(r"\S(.{0,510}\S)?", "this is no sign-in name: write a DN or name@domain")]
    bind_password: Reference | None = None
    users_sync: bool | None = None
    """“AD users sync”: off, its accounts are neither read nor rotated."""


class CloudEntry(Entry):
    """A cloud that is none of Microsoft's own; its hosts must stand in REKEY_EXTRA_HOSTS."""

    login: str
    graph: str
    ca_file: str | None = None
    ca: str | None = None


class EntraEntry(DirectoryEntry):
    """A tenant of Microsoft Entra ID. The app signs in with its secret, or with a certificate (`certificate_file`, or
    right here as `certificate`) and its `private_key`; a partner's app with its `refresh_token` besides.
    """

    kind: Literal["entra"]
    tenant_id: Guid
    client_id: Guid
    client_secret: Reference | None = None
    client_secret_ends: Annotated[str | date, AfterValidator(_day)] | None = None
    """The day the secret ends, for the announcements before it, where Graph does not show it."""
    certificate_file: str | None = None
    certificate: str | None = None
    private_key: Reference | None = None
    refresh_token: Reference | None = None
    rotation: bool | None = None
    """“Enable Password Rotation for Microsoft Entra ID”."""
    cloud: str | CloudEntry | None = None


class OrganizationEntry(Entry):
    """One organization. `directories` and the `vault` are read one by one, each by the entry of its kind; what `rule`
    may hold is the business of `bot.rules`, and `rule: null` takes the organization's own away. `unscheduled` names
    records.
    """

    name: Name
    channel: ChannelId | None = None
    timezone: Annotated[str, AfterValidator(_timezone)] | None = None
    technicians: list[OperatorId] | None = None
    viewers: list[OperatorId] | None = None
    bulk: list[Annotated[str, _one_of(BULK_TIERS)]] | None = None
    tiers: dict[Annotated[str, _one_of(MARKABLE)], list[Username]] | None = None
    rule: dict[str, Any] | None = None
    unscheduled: list[Username] | None = None
    directories: list[dict[str, Any]] = []
    vault: dict[str, Any]


class WorldEntry(Entry):
    """The whole file. What `rule` may hold is the business of `bot.rules`."""

    administrators: list[OperatorId] | None = None
    rotation: bool | None = None
    """Rotating as a whole: off, nothing is rotated anywhere."""
    rule: dict[str, Any] | None = None
    organizations: list[OrganizationEntry] = []


DIRECTORY_KINDS: dict[str, type[DirectoryEntry]] = {"active-directory": ActiveDirectoryEntry, "entra": EntraEntry}
