"""An organization's records, all of them or what changed, in as few requests as can be.

The list of all passwords is asked, narrowed to the organization and to what is not archived: the one beneath an
organization would not narrow. A thousand come at once, without their passwords.

What changed is read newest change first, down to what was known before. A record that was deleted, moved or archived
is missing rather than changed, and shows in the total alone: when that is not what it should be, everything is read.
(Two such changes can hide one another in the total, so once a week everything is read anyway.) Times there are whole
seconds, so the last known one is read again.
"""

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bot.errors import Unreachable
from bot.vaults.base import RecordChanges, SeenRecord
from bot.vaults.itglue.wire import Document

PAGE = 1000
_ALL_AGAIN = timedelta(days=7)
_TRIES = 2
_MARK = re.compile(r"\[rekey:([0-9A-Za-z-]+)\]")
"""What a record Rekey made carries in its notes; the notes themselves, which often hold secrets, are not kept."""

VAULTED = (
    "It is vaulted in IT Glue: its password is encrypted with a passphrase only people have, so Rekey can neither read "
    "nor set it."
)

Get = Callable[[str, Mapping[str, str | int]], Document]


class Entry(NamedTuple):
    """A password resource, read."""

    seen: SeenRecord
    organization_id: str
    kept: bool
    """It is one of the organization's own: neither archived nor personal nor a My Glue one."""
    created_at: str
    updated_at: str


class _Cursor(NamedTuple):
    """Where the last reading ended."""

    updated_at: str
    total: int
    everything_at: str

    def written(self) -> str:
        """As `RecordChanges.cursor` carries it."""
        return json.dumps(list(self))


def entry(resource: object, base_url: str) -> Entry:
    """A password resource as Rekey sees it. `Unreachable` when it is none."""
    if not isinstance(resource, dict) or not str(resource.get("id", "")).isdecimal():
        raise Unreachable(
            "IT Glue listed something that is no password record. Nothing was changed.", cause="itglue-answer"
        )
    has = resource.get("attributes")
    has = has if isinstance(has, dict) else {}
    kind, named = (
        _text(has, "resource-type") or _text(has, "cached-resource-type-name"),
        _text(has, "cached-resource-name"),
    )
    embedded = has.get("resource-id") is not None
    seen = SeenRecord(
        external_id=str(resource["id"]),
        name=_text(has, "name") or f"Password {resource['id']}",
        username=_text(has, "username") or "",
        url=_text(has, "url", 2000),
        category=_text(has, "password-category-name"),
        embedded_in=" ".join(filter(None, (kind, named))) or "another record" if embedded else None,
        link=link(_text(has, "resource-url", 500), base_url),
        guard=VAULTED if has.get("vault-id") is not None else None,
        restricted=has.get("restricted") is True,
        password_updated_at=_moment(has.get("password-updated-at")),
        mark=_mark(str(has.get("notes") or "")),
    )
    private = any(has.get(name) is True for name in ("archived", "personal", "my-glue"))
    return Entry(
        seen, str(has.get("organization-id")), not private, _stamp(has, "created-at"), _stamp(has, "updated-at")
    )


def read(get: Get, base_url: str, organization_id: str, since: str | None) -> RecordChanges:
    """All records of an organization, or what changed since that cursor."""
    changes = RecordChanges((), since, complete=False, place=organization_id)
    changes.records = _Reading(get, base_url, organization_id, changes).begin(_cursor(since))
    return changes


class _Reading:
    def __init__(self, get: Get, base_url: str, organization_id: str, changes: RecordChanges) -> None:
        self._get, self._base_url, self._organization_id, self._changes = get, base_url, organization_id, changes

    def begin(self, known: _Cursor | None) -> Iterator[SeenRecord]:
        if known is not None and datetime.now(UTC) - _known_moment(known.everything_at) < _ALL_AGAIN:
            sound = yield from self._what_changed(known)
            if sound:
                return
        yield from self._everything()

    def _everything(self) -> Iterator[SeenRecord]:
        """Every record, once more where some came or went between two pages: what was merely not seen is not gone."""
        began = datetime.now(UTC)
        for _ in range(_TRIES):
            ids: set[str] = set()
            totals: set[int] = set()
            latest = ""
            for each, total in self._pages("id"):
                totals.add(total)
                latest = max(latest, each.updated_at)
                if each.seen.external_id not in ids and self._ours(each):
                    yield each.seen
                ids.add(each.seen.external_id)
            if len(totals) <= 1 and len(ids) == max(totals, default=0):
                self._changes.complete = True
                self._changes.cursor = _Cursor(latest, len(ids), began.isoformat()).written() if latest else None
                return
        self._changes.complete, self._changes.cursor = False, None

    def _what_changed(self, known: _Cursor) -> Generator[SeenRecord, None, bool]:
        """Whether what changed accounts for the total, as the generator's value."""
        ids: set[str] = set()
        new, now_total, latest, before = 0, 0, known.updated_at, "9999"
        for each, total in self._pages("-updated-at"):
            now_total = total
            if each.updated_at > before:
                return False  # not in the order asked for: the first page tells nothing
            before = each.updated_at
            if each.updated_at < known.updated_at:
                break
            latest = max(latest, each.updated_at)
            if each.seen.external_id not in ids:
                ids.add(each.seen.external_id)
                new += each.created_at > known.updated_at
                if self._ours(each):
                    yield each.seen
        if now_total != known.total + new:
            return False
        self._changes.cursor = known._replace(updated_at=latest, total=now_total).written()
        return True

    def _ours(self, each: Entry) -> bool:
        if each.kept and each.organization_id == self._organization_id:
            return True
        self._changes.removed.add(each.seen.external_id)
        return False

    def _pages(self, sort: str) -> Iterator[tuple[Entry, int]]:
        """Every entry with the total its page told."""
        number: int | None = 1
        while number is not None:
            document = self._get(
                "passwords",
                {
                    "filter[organization_id]": self._organization_id,
                    "filter[archived]": "false",
                    "sort": sort,
                    "page[size]": PAGE,
                    "page[number]": number,
                },
            )
            meta, data = document.get("meta") or {}, document["data"]
            following, total = meta.get("next-page"), meta.get("total-count")
            if not isinstance(data, list) or not isinstance(total, int):
                raise Unreachable("IT Glue's list cannot be read. Nothing was changed.", cause="itglue-answer")
            for resource in data:
                yield entry(resource, self._base_url), total
            number = following if isinstance(following, int) and following > number else None


def _mark(notes: str) -> str:
    found = _MARK.search(notes)
    return found[1] if found else ""


def marked(mark: str) -> str:
    """How a mark stands in the notes."""
    return f"[rekey:{mark}]"


def link(address: str | None, base_url: str) -> str | None:
    """A record's page, where it leads to IT Glue and nowhere else."""
    if not address:
        return None
    try:
        parts, base = urlsplit(address), urlsplit(base_url)
        host = parts.hostname or ""
    except ValueError:
        return None
    ours = parts.scheme == "https" and (host == "itglue.com" or host.endswith(".itglue.com"))
    return address if ours or (parts.scheme, parts.netloc) == (base.scheme, base.netloc) else None


def _cursor(text: str | None) -> _Cursor | None:
    try:
        return _Cursor(*json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _known_moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if isinstance(value, str) else None
    except ValueError:
        return None


def _stamp(has: Mapping[str, Any], name: str) -> str:
    """A time as text that sorts as the times do."""
    at = _moment(has.get(name))
    return at.isoformat() if at else ""


def _text(has: Mapping[str, Any], name: str, longest: int = 300) -> str | None:
    value = has.get(name)
    return value.replace("\0", "").strip()[:longest] or None if isinstance(value, str) else None
