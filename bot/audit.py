"""The audit trail: who did what to which, from where, and how it ended; provable afterwards.

Every line is sealed (HMAC-SHA256, with a key derived from the ring key it names) over what it says and over the seal
of the line before it. The seal of the last line, the head, is also kept outside the database, in the escrow directory:
lines cut off at the end are missed there. A crash between the commit and the anchor leaves the database ahead, which is
fine.
"""

import csv
import fcntl
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from sqlmodel import Session

from bot.errors import KeyProblem, StorageError
from storage.audit import Head, add_audit_events, audit_events, audit_head
from storage.database import after_commit
from storage.files import whole_file
from storage.models import AuditEvent, Organization, now
from storage.sealing import KeyRing

_BEFORE_THE_FIRST = Head(0, "rekey audit trail 1")
_ANCHOR = "audit.head"
_MOST_PROBLEMS = 20
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")  # spreadsheets skip white space and read full-width signs as signs


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was done. `event` is a command's past tense (`match.approved`); no secret in `details`."""

    event: str
    operator: str
    source: str
    organization: Organization | None = None
    subject: str = ""
    result: str = "ok"
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: how many lines there are, and what is wrong with which, each in a sentence."""

    lines: int
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the trail is whole and untouched."""
        return not self.problems


class Trail:
    """Appends to the trail and verifies it. Safe to share between threads and processes."""

    def __init__(self, keys: KeyRing, anchor_directory: Path) -> None:
        self._keys = keys
        self._anchor = anchor_directory / _ANCHOR
        self._derived: dict[str, bytes] = {}

    def append(
        self,
        session: Session,
        *,
        event: str,
        operator: str,
        source: str,
        organization: Organization | None = None,
        subject: str = "",
        result: str = "ok",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Append one line inside the caller's writing transaction; see `append_all`."""
        line = Line(event, operator, source, organization, subject, result, details or {})
        self.append_all(session, [line])

    def append_all(self, session: Session, lines: Sequence[Line]) -> None:
        """Append lines, in one statement, in the caller's writing transaction; anchor the head once it is committed.

        `StorageError` after the commit means: the lines are kept, and the head could not be anchored.
        """
        if not lines:
            return
        key_id = self._keys.active_id
        key = self._audit_key(key_id)
        head = audit_head(session) or _BEFORE_THE_FIRST
        rows = []
        for line in lines:
            row: dict[str, Any] = {
                "id": head.id + 1,
                "at": now(),
                "operator": line.operator,
                "source": line.source,
                "event": line.event,
                "result": line.result,
                "organization": line.organization.uid if line.organization else None,
                "subject": line.subject,
                "details": _canonical(line.details),
                "key_id": key_id,
            }
            row["mac"] = _mac(key, head.mac, row)
            head = Head(head.id + 1, row["mac"])
            rows.append(row)
        add_audit_events(session, rows)
        if session.info.get("audit_head") is None:
            after_commit(session, lambda: self._move_anchor(session.info["audit_head"]))
        session.info["audit_head"] = head

    def anchor_anew(self, session: Session) -> None:
        """Anchor this database's head even if the anchor was further on; after a restore, which says so in a line."""
        head = audit_head(session) or _BEFORE_THE_FIRST
        after_commit(session, lambda: self._move_anchor(head, backwards=True))

    def anchored(self) -> Head | None:
        """The head kept outside the database; None when there is none. `StorageError` when it cannot be read."""
        try:
            content = json.loads(self._anchor.read_text(encoding="utf-8"))
            return Head(int(content["id"]), str(content["mac"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageError(
                f"The anchor of the audit trail, {self._anchor}, cannot be read or was edited. The trail in the "
                "database was not touched. Move that file to where whoever investigates finds it; the next line "
                "anchors the trail anew."
            ) from error

    def verify(self, session: Session) -> Verification:
        """Read the whole trail and find every edit, gap, reordering and cut tail. Memory stays small.

        `session` must be a reading session nothing was read in yet: it must not see less than the anchor knows.
        """
        problems: list[str] = []
        head = _BEFORE_THE_FIRST
        try:
            anchor = self.anchored()
        except StorageError as error:
            problems.append(str(error))
            anchor = None
        else:
            if anchor is None and audit_head(session):
                problems.append(
                    f"There is no anchor at {self._anchor}: whether lines were cut off the end cannot be told. "
                    "REKEY_ESCROW_DIR must name the directory that holds it."
                )
        seen = 0
        for event in audit_events(session):
            seen += 1
            if event.id != head.id + 1:
                problems.append(_gap(head.id + 1, event.id - 1))
            problem = self._problem_with(event, head)
            if problem:
                problems.append(problem)
            if anchor and event.id == anchor.id and event.mac != anchor.mac:
                problems.append(f"Line {event.id} is not the line {event.id} that was anchored outside the database.")
            head = Head(event.id, event.mac)
            if len(problems) > _MOST_PROBLEMS:
                problems.append("There may be more: it was read no further.")
                return Verification(seen, tuple(problems))
        if anchor and anchor.id > head.id:
            problems.append(f"The end was cut off: {_gap(head.id + 1, anchor.id)}")
        return Verification(seen, tuple(problems))

    def _problem_with(self, event: AuditEvent, before: Head) -> str | None:
        try:
            key = self._audit_key(event.key_id)
        except KeyProblem:
            return f"Line {event.id} names the key {event.key_id!r}, which the key ring does not hold."
        if hmac.compare_digest(_mac(key, before.mac, event.model_dump(exclude={"mac"})), event.mac):
            return None
        return (
            f"Line {event.id} ({event.event} by {event.operator}) was edited, moved or put in: its seal does not fit "
            "what it says and the line before it."
        )

    def _audit_key(self, key_id: str) -> bytes:
        if key_id not in self._derived:
            self._derived[key_id] = self._keys.derive(key_id, "audit")
        return self._derived[key_id]

    def _move_anchor(self, head: Head, *, backwards: bool = False) -> None:
        directory = self._anchor.parent
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(directory / f"{_ANCHOR}.lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                anchored = self.anchored()
                if anchored and anchored.id >= head.id and not backwards:
                    return  # another process committed and anchored after us
                with whole_file(self._anchor, over=True) as file:
                    file.write(_canonical({"id": head.id, "mac": head.mac}).encode())
        except OSError as error:
            raise StorageError(
                f"What was done is kept, and so is its audit line {head.id}, but the line could not be anchored in "
                f"{self._anchor}: {error.strerror}. Make room or give Rekey's user the right to write there; the next "
                "line anchors this one too."
            ) from error


def export_json(session: Session, out: TextIO) -> int:
    """Write every line as one JSON object per text line, its seal included; returns how many."""
    count = 0
    for event in audit_events(session):
        out.write(json.dumps(_plain(event), ensure_ascii=False) + "\n")
        count += 1
    return count


def export_csv(session: Session, out: TextIO) -> int:
    """Write every line as CSV for a spreadsheet; returns how many. A cell that would be a formula starts with `'`."""
    writer = csv.writer(out)
    writer.writerow(list(AuditEvent.model_fields))
    count = 0
    for event in audit_events(session):
        writer.writerow([_harmless(value) for value in _plain(event).values()])
        count += 1
    return count


def _plain(event: AuditEvent) -> dict[str, Any]:
    return {name: _text_of(getattr(event, name)) for name in AuditEvent.model_fields}


def _text_of(value: object) -> object:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _harmless(value: object) -> str:
    text = "" if value is None else str(value)
    return "'" + text if _FORMULA.match(text) else text


def _mac(key: bytes, before: str, row: Mapping[str, Any]) -> str:
    said = {name: _text_of(value) for name, value in row.items()}
    return hmac.new(key, _canonical([before, said]).encode(), hashlib.sha256).hexdigest()


def _canonical(content: object) -> str:
    """One text for one meaning: sorted keys, no white space."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)


def _gap(first: int, last: int) -> str:
    if first > last:
        return f"A line stands where line {first} should: the numbers go back."
    return f"Line {first} is missing." if first == last else f"Lines {first} to {last} are missing."
