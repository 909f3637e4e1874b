"""What the credential page asks for, by the kind of directory, and what becomes of what was typed there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import SecretStr

from bot.certificates import parts_of, read_pair
from bot.connections import ACTIVE_DIRECTORY, ENTRA, ITGLUE, credential_of
from bot.errors import BadInput

SECRET, CERTIFICATE, PARTNER = "client_secret", "certificate", "refresh_token"
"""How an app proves itself; PARTNER comes besides one of the others."""
_PEM, _ENDS = "pem", "client_secret_ends"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the page. A `file` may be pasted or chosen; a `day` is no secret."""

    name: str
    label: str
    looks: Literal["password", "file", "day"] = "password"
    hint: str = ""
    optional: bool = False


_FIELDS: Mapping[str, Sequence[Field]] = {
    ACTIVE_DIRECTORY: (Field("bind_password", "Password of that sign-in"),),
    ITGLUE: (Field("api_key", "API key", hint="With password access, of Account, Settings, API keys."),),
    SECRET: (
        Field(SECRET, "Client secret", hint="The column “Value” of Certificates & secrets, not “Secret ID”."),
        Field(_ENDS, "The day it ends", "day", "You are told 30, 7 and 1 days ahead.", optional=True),
    ),
    CERTIFICATE: (
        Field(
            _PEM,
            "Certificate and private key (PEM)",
            "file",
            "Both in one text, or choose the files. The public half is what you uploaded to the app registration.",
        ),
    ),
    PARTNER: (
        Field(PARTNER, "Refresh token", "password", "Of your partner user, given with offline_access after MFA."),
    ),
}


def fields(kind: str, asks: Sequence[str]) -> tuple[Field, ...]:
    """What is asked for a connection of this kind; `asks` names how an app of Entra proves itself."""
    return tuple(each for way in (asks if kind == ENTRA else [kind]) for each in _FIELDS.get(way, ()))


def taken(
    kind: str, settings: Mapping[str, Any], asks: Sequence[str], typed: Mapping[str, SecretStr]
) -> tuple[dict[str, Any], SecretStr | None]:
    """The settings with what belongs to them of what was typed, and the credential; None for a kind without one.

    `BadInput`, which repeats nothing of it, when something is missing or does not fit.
    """
    asked = fields(kind, asks)
    for each in asked:
        if not each.optional and not typed.get(each.name):
            raise BadInput(f"“{each.label}” is missing. Nothing was stored.")
    if kind == ENTRA:
        return _entra(settings, typed)
    return dict(settings), credential_of(kind, {each.name: typed[each.name] for each in asked}) if asked else None


def _entra(settings: Mapping[str, Any], typed: Mapping[str, SecretStr]) -> tuple[dict[str, Any], SecretStr]:
    given = {name: value for name, value in settings.items() if name not in (CERTIFICATE, _ENDS)}
    parts = {name: typed[name] for name in (SECRET, PARTNER) if typed.get(name)}
    if typed.get(_PEM):
        certificate, parts["private_key"] = parts_of(typed[_PEM])
        if not certificate:
            raise BadInput("There is no certificate in it: “-----BEGIN CERTIFICATE-----” and what follows is missing.")
        read_pair(certificate, parts["private_key"])
        given[CERTIFICATE] = certificate
    if typed.get(_ENDS):
        given[_ENDS] = _day(typed[_ENDS])
    return given, credential_of(ENTRA, parts)


def _day(typed: SecretStr) -> str:
    text = typed.get_secret_value()
    if not _DAY.fullmatch(text):
        raise BadInput("The day it ends is written as 2027-05-31. Nothing was stored.")
    return text
