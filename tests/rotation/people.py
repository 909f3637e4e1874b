"""People in Slack who ask the rotation world for something, with their roles stored."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlmodel import Session, select

from bot.audit import export_json
from bot.permissions import Operator, operator_named
from bot.rotation.aftermath import Retried, cancel, retry
from bot.rotation.progress import Progress, progress
from bot.rotation.requests import Answer, Confirmed, Draft, approve, confirm, draft
from bot.settings import Settings
from storage.approvals import find_waiting
from storage.grants import operators_with, set_operators
from storage.models import Account, Approval, Grant, Lane, Organization, Record, Request, Role, Rotation, Tier
from storage.requests import get_request, rotation_ids
from tests.rotation.world import World

ALICE, BOB, TINA, VIC, STRANGER = "U0ALICE", "U0BOB", "U0TINA", "U0VIC", "U0STRANGER"
ROLES = {ALICE: Role.ADMINISTRATOR, BOB: Role.ADMINISTRATOR, TINA: Role.TECHNICIAN, VIC: Role.VIEWER}


@dataclass
class People:
    """The world, and what people in Slack say to it."""

    world: World
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        with self.world.database.writing() as session:
            session.add_all(Grant(operator=key, role=role) for key, role in ROLES.items())

    def drafts(self, key: str, records: Sequence[Record] | None) -> Draft:
        """A preview: of these by name, or of all."""
        with self.world.database.writing() as session:
            organization = session.get_one(Organization, self.world.organization.id)
            return draft(session, self.world.trail, self.settings, self._operator(session, key), organization, records)

    def confirms(self, key: str, request_id: int) -> Confirmed:
        """Press Rotate under the preview."""
        with self.world.database.writing() as session:
            return confirm(session, self.world.trail, self.settings, self._operator(session, key), request_id)

    def asks(self, key: str, *records: Record, everything: bool = False) -> Confirmed:
        """Both at once."""
        return self.confirms(key, self.drafts(key, None if everything else records).request.id)

    def decides(self, key: str, request_id: int, *, agree: bool = True) -> Approval:
        """Press Approve or Refuse on the card of what this request waits for."""
        with self.world.database.writing() as session:
            waiting = find_waiting(session, request_id)
            assert waiting is not None
            return approve(
                session, self.world.trail, self.settings, self._operator(session, key), waiting.id, agree=agree
            )

    def cancels(self, key: str, request_id: int) -> int:
        """Press Cancel on the card."""
        with self.world.database.writing() as session:
            return cancel(session, self.world.trail, self._operator(session, key), request_id)

    def retries(self, key: str, request_id: int, version: int, like: int | None = None) -> Retried:
        """Press Retry on the card."""
        with self.world.database.writing() as session:
            operator = self._operator(session, key)
            return retry(session, self.world.trail, self.settings, operator, request_id, version, like)

    def request(self, request_id: int) -> Request:
        """As it is now."""
        with self.world.database.reading() as session:
            return get_request(session, request_id)

    def rotations(self, request_id: int) -> list[Rotation]:
        """The latest of each record."""
        with self.world.database.reading() as session:
            return [session.get_one(Rotation, each) for each in rotation_ids(session, request_id)]

    def newest(self) -> int:
        """The last request anybody made."""
        with self.world.database.reading() as session:
            return max(session.exec(select(Request.id)).all())

    def progress(self, request_id: int) -> Progress:
        """What its card would say."""
        with self.world.database.reading() as session:
            return progress(session, get_request(session, request_id))

    def looks_again(self) -> None:
        """The lane's pause is over, and it is looked at once more; its failures count on."""
        with self.world.database.writing() as session:
            for lane in session.exec(select(Lane)):
                lane.backoff_until = None
        for connection in self.world.connections.values():
            self.world.lanes().drain(connection.id, seconds=0.05)

    def becomes(self, account: str, tier: Tier) -> None:
        """An account's known tier changes, as a sync would find it."""
        with self.world.database.writing() as session:
            row = session.exec(select(Account).where(Account.username == account)).one()
            row.tier = tier
            session.add(row)

    def grants(self, key: str, role: Role | None) -> None:
        """Somebody's role everywhere changes."""
        with self.world.database.writing() as session:
            for each in Role:
                now_held = set(operators_with(session, each, None))
                set_operators(session, each, None, now_held - {key} | ({key} if each is role else set()))

    def trail_text(self) -> str:
        """The whole audit trail, a JSON object a line."""
        out = io.StringIO()
        with self.world.database.reading() as session:
            export_json(session, out)
        return out.getvalue()

    def audited(self) -> list[str]:
        """Every event of the trail."""
        return [json.loads(line)["event"] for line in self.trail_text().splitlines()]

    def _operator(self, session: Session, key: str) -> Operator:
        return operator_named(session, key, "slack", self.settings.administrators)


__all__ = ["ALICE", "BOB", "STRANGER", "TINA", "VIC", "Answer", "People"]
