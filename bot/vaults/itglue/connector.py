"""The IT Glue connector: the Vault port over its API.

One record is always named beneath its organization, so that one that was moved to another customer is not there any
more, rather than written to.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from types import TracebackType
from typing import Any, NamedTuple, Self

from pydantic import SecretStr

from bot.errors import NoAnswer, NotFound, OutsideError, Refused, RightMissing, SignInRefused
from bot.findings import Finding, Level
from bot.vaults.base import Held, NewRecord, Permit, RecordChanges, SeenRecord
from bot.vaults.itglue.reading import PAGE, Entry, entry, marked, read
from bot.vaults.itglue.settings import ITGlueSettings
from bot.vaults.itglue.share import Share
from bot.vaults.itglue.wire import Wire, is_about, no_password_access, no_write
from storage.connections import name_key
from storage.models import Status

_NOTHING = "Nothing was changed."
_NEAR = 3
_LOOKED_AT = 50


class SeenOrganization(NamedTuple):
    """An organization of the account."""

    id: str
    name: str


class ITGlue:
    """One organization of an IT Glue account."""

    overlap = 4

    def __init__(self, settings: ITGlueSettings, key: SecretStr, share: Share | None = None) -> None:
        self._settings = settings
        self._wire = Wire(settings, key, share)
        self._organization_id = settings.organization_id
        self._reads_passwords = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.__exit__(kind, error, trace)

    # ---- looking ---------------------------------------------------------------------------------------------------

    def check(self) -> list[Finding]:
        """See `Vault.check`."""
        try:
            home = self._organization()
            found = [
                Finding(Level.OK, f"IT Glue takes the API key, and shows the organization {home.name} ({home.id}).")
            ]
            asked = self._settings.organization
            if asked not in (home.id, home.name) and name_key(asked) != name_key(home.name):
                what = f"IT Glue calls the organization {home.name}; the connection was made for {asked}."
                mend = "Where that is the same customer, correct the name in the world file; else the id."
                found.append(Finding(Level.WARNING, what, mend, "itglue-renamed"))
            return [*found, *self._password_access()]
        except OutsideError as error:
            return [Finding.problem(error)]

    def _password_access(self) -> list[Finding]:
        """Whether passwords can be read: there is no telling but by reading one, which is then forgotten."""
        some = self._wire.get("passwords", {**self._all(), "page[size]": _LOOKED_AT})["data"]
        if not some:
            what = "The organization has no password record yet, so whether the key has Password Access is not known."
            return [Finding(Level.WARNING, what, cause="itglue-empty")]
        if "vault-id" not in (some[0].get("attributes") or {}):
            what = "IT Glue does not say which records are vaulted, so each is looked at again before it is rotated."
            return [Finding(Level.WARNING, what, cause="itglue-vault-id")]
        seen = [entry(each, self._settings.base_url).seen for each in some]
        readable = next((each for each in seen if each.guard is None), None)
        if readable is None:
            what = "Its records are vaulted: Rekey can neither read nor rotate what they hold."
            return [Finding(Level.WARNING, what, cause="itglue-vaulted")]
        self.read(readable.external_id)
        may_change = "Whether it may also change them shows with the first rotation, which is refused if not."
        return [Finding(Level.OK, f"The key has access to passwords. {may_change}")]

    def organizations(self) -> list[SeenOrganization]:
        """Every organization of the account, by name: one request for each thousand."""
        found: list[SeenOrganization] = []
        number: int | None = 1
        while isinstance(number, int):
            document = self._wire.get("organizations", {"sort": "name", "page[size]": PAGE, "page[number]": number})
            found += map(_organization, document["data"])
            number = (document.get("meta") or {}).get("next-page")
        return found

    def _organization(self) -> SeenOrganization:
        """The organization there; `NotFound` names those whose names come close."""
        asked = self._settings.organization
        known = self._organization_id or (asked if asked.isdecimal() else None)
        try:
            if known is not None:
                home = _organization(self._wire.get(f"organizations/{known}")["data"])
                self._organization_id = home.id
                return home
        except NotFound:
            if self._organization_id is not None:
                raise self._no_such_organization("It was deleted there, or the key may not see it.") from None
        everybody = self.organizations()
        named = [each for each in everybody if name_key(each.name) == name_key(asked)]
        if len(named) == 1:
            self._organization_id = named[0].id
            return named[0]
        if named:
            ids = ", ".join(each.id for each in named)
            raise self._no_such_organization(f"It has several of that name: write one of the ids {ids} instead.")
        ids_by_name = {each.name: each.id for each in everybody}
        near = get_close_matches(asked, ids_by_name, n=_NEAR, cutoff=0.5)
        shown = ", ".join(f"{name} ({ids_by_name[name]})" for name in near) or "none comes close"
        raise self._no_such_organization(f"The nearest names there: {shown}.")

    def _no_such_organization(self, more: str) -> NotFound:
        return NotFound(
            f"IT Glue shows no organization {self._settings.organization}. {_NOTHING}",
            cause="itglue-organization",
            mend=f"{more} Correct the connection's `organization`, by name or id.",
        )

    def records(self, since: str | None) -> RecordChanges:
        """See `Vault.records`."""
        return read(self._wire.get, self._settings.base_url, self._home(), since)

    def may_write(self, record: str) -> Permit:
        """See `Vault.may_write`."""
        # The first one of each sign-in is asked for with its password, which is the only way to know that we may.
        shown, has = self._show(record, value=not self._reads_passwords)
        if shown.seen.guard is None:
            self._note_access(has)
        for why, cause in ((shown.seen.guard, "vaulted"), (_private(shown, has), "vault-private")):
            if why:
                return Permit(shown.seen, False, Status.NOT_PERMITTED, why, cause)
        return Permit(shown.seen, True)

    def read(self, record: str) -> Held:
        """See `Vault.read`."""
        shown, has = self._show(record, value=True)
        if shown.seen.guard is not None:
            raise Refused(f"{shown.seen.guard} {_NOTHING}", cause="vaulted")
        self._note_access(has)
        return Held(shown.seen, SecretStr(str(has["password"])) if has["password"] else None)

    # ---- writing ---------------------------------------------------------------------------------------------------

    def write(self, record: str, secret: SecretStr) -> SeenRecord:
        """See `Vault.write`."""
        path = f"{self._passwords()}/{_id(record)}"
        try:
            self._wire.write("PATCH", f"{path}?show_password=false", {"password": secret}, requests=2)
        except NotFound:
            raise self._gone(record) from None
        except Refused as refusal:
            raise self._really(record, refusal) from None
        return self._proved(path, secret)

    def create(self, wanted: NewRecord, secret: SecretStr | None = None) -> SeenRecord:
        """See `Vault.create`."""
        made = self._made_before(wanted)
        if made is not None:
            return made.seen if secret is None else self.write(made.seen.external_id, secret)
        attributes: dict[str, object] = {
            "name": wanted.name,
            "username": wanted.username,
            "notes": f"Made by Rekey, which keeps its password. {marked(wanted.mark)}",
        }
        if wanted.url:
            attributes["url"] = wanted.url
        if secret is not None:
            attributes["password"] = secret
        try:
            document = self._wire.write(
                "POST", f"{self._passwords()}?show_password=false", attributes, 1 if secret is None else 2
            )
        except SignInRefused as refusal:
            self._wire.get("passwords", {**self._all(), "page[size]": 1})  # raises, if the key is not taken at all
            raise no_write() from refusal
        except Refused as refusal:
            if secret is None and is_about(refusal, "password"):
                raise Refused(
                    "IT Glue takes no record without a password. It is made there by the first rotation.",
                    cause="vault-needs-password",
                ) from None
            raise
        seen = entry(document["data"], self._settings.base_url).seen
        return seen if secret is None else self._proved(f"{self._passwords()}/{seen.external_id}", secret)

    def _made_before(self, wanted: NewRecord) -> Entry | None:
        """The record an earlier call made, whose reply may have been lost."""
        name = wanted.name.replace(",", "\\,")  # a comma separates values
        document = self._wire.get("passwords", {**self._all(), "filter[name]": name, "page[size]": PAGE})
        named = [entry(resource, self._settings.base_url) for resource in document["data"]]
        return next((each for each in named if each.seen.mark == wanted.mark), None)

    def _proved(self, path: str, secret: SecretStr) -> SeenRecord:
        document = self._wire.prove(path, {"show_password": "true"})
        has = (document["data"] or {}).get("attributes") or {}
        seen = entry(document["data"], self._settings.base_url).seen
        if "password" not in has:
            why = no_password_access()
            raise NoAnswer(
                f"IT Glue took the new password for {seen.name}, and does not show it, so it is not proved. {why}",
                cause=why.cause,
                mend=why.mend,
            )
        if SecretStr(str(has["password"])) != secret:
            raise Refused(
                f"IT Glue took the new password for {seen.name}, and shows another one a moment later: somebody else "
                "set one there, and it was left alone.",
                cause="vault-changed",
                mend="See in IT Glue who changed it; then rotate this record by name.",
            )
        return seen

    # ---- one record ------------------------------------------------------------------------------------------------

    def _show(self, record: str, *, value: bool) -> tuple[Entry, Mapping[str, Any]]:
        path = f"{self._passwords()}/{_id(record)}"
        try:
            document = self._wire.get(path, {"show_password": "true" if value else "false"})
        except NotFound:
            raise self._gone(record) from None
        except Refused as refusal:
            if value:
                self._wire.get(path, {"show_password": "false"})  # raises where it is not about the password
                raise no_password_access() from refusal
            raise
        data = document["data"]
        return entry(data, self._settings.base_url), data.get("attributes") or {}

    def _note_access(self, has: Mapping[str, Any]) -> None:
        if not self._reads_passwords:
            if "password" not in has:
                raise no_password_access()
            self._reads_passwords = True

    def _really(self, record: str, refusal: Refused) -> Refused:
        """What a refused write was about: the whole key, as reading shows too, or the right to write."""
        if not isinstance(refusal, SignInRefused) and refusal.cause != "itglue-403":
            return refusal
        try:
            self._show(record, value=False)
        except RightMissing:
            return no_write()
        except Refused as other:
            return other
        except OutsideError:
            return refusal
        return no_write()

    def _gone(self, record: str) -> NotFound:
        """Deleted, or moved to another organization: what a flat look at it tells."""
        try:
            document = self._wire.get(f"passwords/{_id(record)}", {"show_password": "false"})
        except OutsideError:
            return NotFound(
                f"The record was deleted in IT Glue (its id was {record}). {_NOTHING}",
                cause="vault-record-gone",
                mend="Restore it there, or choose another record for the account, or create one.",
            )
        has = document["data"].get("attributes") or {}
        return NotFound(
            f"The record {has.get('name')} belongs to another organization in IT Glue now, "
            f"{has.get('organization-name')}. {_NOTHING}",
            cause="vault-record-moved",
            mend="Move it back there, or choose another record for the account, or create one.",
        )

    def _home(self) -> str:
        return self._organization_id or self._organization().id

    def _passwords(self) -> str:
        return f"organizations/{self._home()}/relationships/passwords"

    def _all(self) -> dict[str, str | int]:
        return {"filter[organization_id]": self._home(), "filter[archived]": "false"}


def _organization(resource: Any) -> SeenOrganization:
    has = resource.get("attributes") or {} if isinstance(resource, dict) else {}
    return SeenOrganization(str(resource.get("id", "")), str(has.get("name") or ""))


def _private(shown: Entry, has: Mapping[str, Any]) -> str:
    if has.get("archived") is True:
        return f"{shown.seen.name} is archived in IT Glue. Restore it there, or choose another record."
    return "" if shown.kept else f"{shown.seen.name} is somebody's own in IT Glue: choose another record."


def _id(record: str) -> str:
    """As part of an address: an id there is a number, and anything else would lead elsewhere."""
    if not record.isdecimal():
        raise NotFound(f"{record!r} is no id of a record in IT Glue. {_NOTHING}", cause="vault-record-gone")
    return record
