"""Deciding on matches: approve, ignore, reopen, choose another record, create one. Each in bulk.

Every verb runs in the caller's writing transaction and answers for each match with an `Outcome`: one that is refused
never stops the others. Permission is asked here, with the row's own organization; so is whether the match is still what
the person saw (`versions`, match id → the version shown), and of the organization they saw it in (`within`). What was
done, and what somebody tried who may not, is in the audit trail. Deciding never changes a password; taking a decision
back cancels rotations that have not begun.

A guarded account (disabled, krbtgt …) may be matched like any other: guards come and go, and the rotation asks again.
The outcome says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from bot.audit import Line, Trail
from bot.matching.suggesting import names_of, namesakes, suggest
from bot.permissions import Operator, may_match
from bot.tiers import tier_with
from bot.vaults import embedded
from storage.connections import EMBEDDED, connections_of
from storage.lanes import wake
from storage.matches import UNDECIDED, MatchRow, forget_undecided, get_matches, holders, match_ids
from storage.models import Account, Connection, Match, MatchState, Record, RotationState, Tier, now
from storage.notices import MATCH_REVIEW, touch
from storage.persons import persons_of
from storage.portions import portions
from storage.records import get_records
from storage.rotations import cancel_planned, open_rotations
from storage.tasks import request_create

Versions = Mapping[int, int]
"""Match id → the version the person saw; a match that is not in it is taken as it is now."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one match: whether it is now as asked, and why not (or what else to know), in a sentence."""

    match_id: int
    done: bool
    reason: str = ""
    first: str = ""
    """Where somebody else was first: the words of the reason that say who and when, like ` by U01 at … UTC`."""
    first_by: str | None = None
    first_at: datetime | None = None


class _Refusal(Exception):
    """Why one match is left as it is, in a sentence."""


class _NotAllowed(_Refusal):
    """The operator may not; the audit trail says that they tried."""


def approve(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    versions: Versions | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Approve what is suggested: consent to rotate. Anything else needs `choose`."""
    sitting = _Sitting(session, trail, operator, "match.approved", ids, versions, within)
    places = _Places(sitting, [row.record for row in sitting.rows.values() if row.record])

    def check(row: MatchRow) -> str:
        if row.match.state == MatchState.APPROVED and row.record:
            return f"It was approved already{_by(row.match)}."
        if row.match.state != MatchState.SUGGESTED or row.record is None:
            raise _Refusal(f"{_shown(row)} has {_STANDS[MatchState(row.match.state)]}")
        places.take(row, row.record)
        return ""

    passed = sitting.screen(check)
    return sitting.settle(MatchState.APPROVED, {row.match.id: row.record for row in passed}, joined=places.joined)


def approve_all_exact(session: Session, trail: Trail, operator: Operator, organization_id: int) -> list[Outcome]:
    """Approve every suggestion of an organization that the operator may approve."""
    outcomes = []
    for portion in portions(match_ids(session, organization_id, MatchState.SUGGESTED)):
        outcomes += approve(session, trail, operator, portion)
    return outcomes


def choose(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    record_id: int,
    versions: Versions | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Approve this record for these accounts, whatever was suggested, ignored or approved for them before.

    A record that goes by the name of a privileged or break-glass account may hold its password: it takes whoever may
    match that account to give it to another one.
    """
    sitting = _Sitting(session, trail, operator, "match.chosen", ids, versions, within)
    record = get_records(session, [record_id]).get(record_id)
    named = namesakes(session, record) if record else []
    places = _Places(sitting, [record] if record else [])

    def check(row: MatchRow) -> str:
        if record is None or record.organization_id != row.match.organization_id or record.archived_at:
            raise _Refusal(f"There is no record {record_id} in {row.organization.name}.")
        if row.match.state == MatchState.APPROVED and row.match.record_id == record_id:
            return f"It was approved for {record.name} already{_by(row.match)}."
        for tier in {Tier(each.tier) for each in named if each.id != row.account.id}:
            sitting.ask(row, tier)
        places.take(row, record)
        return ""

    passed = sitting.screen(check)
    return sitting.settle(MatchState.APPROVED, {row.match.id: record for row in passed}, joined=places.joined)


def create_record(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    versions: Versions | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Create a record for each of these accounts in the organization's vault, and approve it.

    The record has no password until the first rotation sets one: nobody knows the present one. In a vault outside it is
    made a moment later, in that vault's lane.
    """
    sitting = _Sitting(session, trail, operator, "match.record_created", ids, versions, within)
    vaults = _vaults(session, {row.organization.id for row in sitting.rows.values()})

    def check(row: MatchRow) -> str:
        if row.match.state == MatchState.APPROVED and row.record:
            raise _Refusal(f"{_shown(row)} has a record, {row.record.name}. Reopen the match first to give it another.")
        if row.organization.id not in vaults:
            raise _Refusal(f"{row.organization.name} has no vault to create a record in.")
        _refuse_gone(row)
        return ""

    passed = sitting.screen(check)
    targets: dict[int, Record | None] = {}
    for organization_id, vault in vaults.items():
        here = [row for row in passed if row.organization.id == organization_id]
        created = embedded.create_records(session, vault, [row.account for row in here])
        targets.update((row.match.id, record) for row, record in zip(here, created, strict=True))
        if created and vault.kind != EMBEDDED:
            request_create(session, vault)
            wake(session, vault.id)
    return sitting.settle(MatchState.APPROVED, targets, note="The record has no password until the first rotation.")


def ignore(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    versions: Versions | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Leave these accounts alone: they are not rotated, not suggested again, and not counted as unmatched."""
    sitting = _Sitting(session, trail, operator, "match.ignored", ids, versions, within)

    def check(row: MatchRow) -> str:
        by_a_person = row.match.state == MatchState.IGNORED and row.match.decided_by is not None
        return f"It was ignored already{_by(row.match)}." if by_a_person else ""

    return sitting.settle(MatchState.IGNORED, {row.match.id: None for row in sitting.screen(check)})


def reopen(
    session: Session,
    trail: Trail,
    operator: Operator,
    ids: Sequence[int],
    versions: Versions | None = None,
    within: int | None = None,
) -> list[Outcome]:
    """Take decisions back: the matches stand as they would had nobody decided."""
    sitting = _Sitting(session, trail, operator, "match.reopened", ids, versions, within)

    def check(row: MatchRow) -> str:
        return "It is open already." if row.match.state in UNDECIDED else ""

    passed = sitting.screen(check)
    outcomes = sitting.settle(MatchState.NONE, {row.match.id: None for row in passed})
    forget_undecided(session, [row.account.id for row in passed if row.account.removed_at])
    return outcomes


class _Sitting:
    """One operator deciding one thing about some matches: first who may and what stands against it, then doing it."""

    def __init__(
        self,
        session: Session,
        trail: Trail,
        operator: Operator,
        event: str,
        ids: Sequence[int],
        versions: Versions | None,
        within: int | None,
    ) -> None:
        self.session, self.operator, self.rows = session, operator, get_matches(session, ids)
        self._trail, self._event, self._versions, self._within = trail, event, versions or {}, within
        self._outcomes: dict[int, Outcome | None] = dict.fromkeys(ids)

    def screen(self, check: Callable[[MatchRow], str]) -> list[MatchRow]:
        """The matches that may be decided on. `check` raises `_Refusal`, or says that one already is as asked."""
        passed, tried = [], []
        for match_id in self._outcomes:
            row = self.rows.get(match_id)
            if row is None:
                self._outcomes[match_id] = Outcome(match_id, False, f"There is no match {match_id}.")
                continue
            try:
                self.ask(row)
                if self._within not in (None, row.organization.id):
                    raise _NotAllowed(f"{_shown(row)} is another organization's. Nothing was changed.")
                if self._versions.get(match_id, row.match.version) != row.match.version:
                    raise _Refusal(f"{_shown(row)} {_meanwhile(row.match)}. Nothing was changed; look at it again.")
                already = check(row)
            except _Refusal as refusal:
                self._outcomes[match_id] = _outcome(row, False, str(refusal))
                if isinstance(refusal, _NotAllowed):
                    tried.append(self._line(row, row.record, str(refusal)))
                continue
            if already:
                self._outcomes[match_id] = _outcome(row, True, already)
            else:
                passed.append(row)
        self._trail.append_all(self.session, tried)
        return passed

    def ask(self, row: MatchRow, tier: Tier | None = None, *, second_person: bool = False) -> None:
        """`_NotAllowed` unless the operator may decide on this account, or on accounts of this tier there."""
        tier = tier or Tier(row.account.tier)
        decision = may_match(self.operator, row.organization.id, tier, second_person=second_person)
        if not decision.allowed:
            raise _NotAllowed(decision.reason)

    def settle(
        self, state: MatchState, targets: Mapping[int, Record | None], *, note: str = "", joined: Sequence[int] = ()
    ) -> list[Outcome]:
        """Write the decision into these matches, cancel what it overtakes, look again at whom it concerns."""
        left, lines = set(joined), []
        concerned: dict[int, set[str]] = {}
        for match_id, record in targets.items():
            row = self.rows[match_id]
            match = row.match
            as_suggested = record is not None and match.record_id == record.id
            if match.state == MatchState.APPROVED and match.record_id is not None:
                left.add(match.record_id)
            match.state, match.record_id = state, record.id if record else None
            match.decided_by, match.decided_at, match.version = self.operator.key, now(), match.version + 1
            lines.append(self._line(row, record or row.record))
            self._outcomes[match_id] = Outcome(
                match_id, True, f"{note} {_kept_from(row.account) if record else ''}".strip()
            )
            if not as_suggested:  # nobody else claims what was suggested, so that concerns nobody else
                names = names_of(row.account.username_key, row.account.upn_key, row.account.mail_key)
                names |= {each.username_key for each in (record, row.record) if each}
                concerned.setdefault(row.organization.id, set()).update(names)
        self.session.flush()
        for portion in portions(sorted(left)):
            cancel_planned(self.session, portion, "Its matches were changed before it began. Ask for it again.")
        self._trail.append_all(self.session, lines)
        touch(self.session, MATCH_REVIEW, *{self.rows[match_id].organization.id for match_id in targets})
        for organization_id, names in concerned.items():
            suggest(self.session, organization_id, names)
        return [outcome for outcome in self._outcomes.values() if outcome is not None]

    def _line(self, row: MatchRow, record: Record | None, refused: str = "") -> Line:
        details = {"match": row.match.id, "account": row.account.object_id, "tier": row.account.tier}
        if record:
            details |= {"record": record.name, "record_uid": record.uid}
        if refused:
            details["reason"] = refused
        return Line(
            event=self._event,
            operator=self.operator.key,
            source=self.operator.source,
            organization=row.organization,
            subject=_shown(row),
            result="refused" if refused else "ok",
            details=details,
        )


def _kept_from(account: Account) -> str:
    """Why an approved account is not written for now, in a sentence; empty where it is."""
    if account.guard is None:
        return ""
    if account.synced and account.person is not None:
        return "It is rotated in its Active Directory, and followed here."
    return f"It will not be rotated for now: {account.guard}"


class _Places:
    """Who holds the records in question, this very sitting's included, and which are being rotated."""

    def __init__(self, sitting: _Sitting, records: Sequence[Record]) -> None:
        self._sitting = sitting
        self._rotations = open_rotations(sitting.session, [record.id for record in records])
        self._held: dict[int, set[str | int]] = {record.id: set() for record in records}
        held = holders(sitting.session, list(self._held))
        persons = persons_of(sitting.session, [holder.account_id for holder in held])
        for holder in held:
            if holder.record_id is not None:
                self._held[holder.record_id].add(persons.get(holder.account_id, holder.account_id))
        self.joined: list[int] = []
        """Records whose planned rotations do not know the account that was added to them."""

    def take(self, row: MatchRow, record: Record) -> None:
        """Let the account have the record; `_Refusal` when the operator may not, or not now, or the vault never."""
        if record.guard is not None:
            raise _Refusal(f"{record.name} cannot be rotated: Not Permitted. {record.guard}")
        if record.restricted:
            self._sitting.ask(row, tier_with(row.account.tier, record.restricted))
        owner = row.account.person or row.account.id
        if self._held[record.id] - {owner}:
            self._sitting.ask(row, second_person=True)
        _refuse_gone(row)
        rotation = self._rotations.get(record.id)
        if rotation is not None and (rotation.state != RotationState.PLANNED or rotation.revision_id is not None):
            raise _Refusal(f"{record.name} is being rotated right now. Match {_shown(row)} to it when that has ended.")
        if rotation is not None:
            self.joined.append(record.id)
        self._held[record.id].add(owner)


_STANDS = {
    MatchState.NONE: "no exact record. Choose one, or create one.",
    MatchState.SEVERAL: "several records that may be its own, or one that others claim too. Choose one.",
    MatchState.IGNORED: "been ignored. Reopen it first.",
    MatchState.APPROVED: "lost its record. Choose another one.",
    MatchState.SUGGESTED: "lost its suggestion. Sync, then look again.",
}


def _refuse_gone(row: MatchRow) -> None:
    if row.account.removed_at:
        raise _Refusal(f"{_shown(row)} is gone from {row.connection.name}, so it cannot be matched.")


def _vaults(session: Session, organization_ids: set[int]) -> dict[int, Connection]:
    return {
        organization.id: vault for organization, vault in connections_of(session, "vault", sorted(organization_ids))
    }


def _shown(row: MatchRow) -> str:
    return f"{row.account.domain}\\{row.account.username}"


def _outcome(row: MatchRow, done: bool, reason: str) -> Outcome:
    first = _by(row.match)
    if not first or first not in reason:
        return Outcome(row.match.id, done, reason)
    return Outcome(row.match.id, done, reason, first, row.match.decided_by, row.match.decided_at)


def _by(match: Match) -> str:
    if match.decided_by is None or match.decided_at is None:
        return ""
    return f" by {match.decided_by} at {match.decided_at:%Y-%m-%d %H:%M} UTC"


def _meanwhile(match: Match) -> str:
    if match.state in UNDECIDED:
        return "changed meanwhile" if match.decided_by is None else f"was reopened meanwhile{_by(match)}"
    return f"was {match.state} meanwhile{_by(match)}"
