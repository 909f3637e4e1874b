"""Suggesting: where each undecided account stands with the records, and which records a person may want instead.

What a person decided (approved, ignored) is never touched here. Undecided accounts are looked at again whenever an
account, a record or a decision nearby changed, so that what is shown as exact is exact now. Those that an ignore rule
covers are ignored for as long as it does. Everything is read and
written in sets: the same statements for three accounts and for a hundred thousand.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlmodel import Session

from bot.matching.scoring import Entry, SignIn, claims, decide, elsewhere, ranked
from bot.permissions import PROTECTED
from storage.accounts import SignInRow, shown_names, sign_ins, sign_ins_named
from storage.connections import connections_of
from storage.ignore_rules import covers, ignore_rules
from storage.matches import UNDECIDED, Finding, MatchRow, Standing, holders, standings, standings_of, store_findings
from storage.models import IgnoreRule, MatchState, Record
from storage.names import fold, parse_username
from storage.notices import MATCH_REVIEW, touch
from storage.persons import persons_of
from storage.records import EntryRow, entries, entries_named, get_records

_MANY = 5000
"""With more names than this, reading everything once is quicker than looking each up."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record a person may choose for an account."""

    record_id: int
    name: str
    username: str
    score: float
    """How close it comes: 100 is the same name or username."""
    note: str = ""
    """What to know before choosing it, in a sentence: whose it is, who else claims it, or why it is not exact."""
    others: tuple[int, ...] = ()
    """Accounts of somebody else, as far as is known, that claim or hold it."""


@dataclass(frozen=True, slots=True)
class _View:
    """Some accounts, every record near them, everybody else near those records, and where all of them stand."""

    sign_ins: list[SignIn]
    entries: list[Entry]
    standings: dict[int, Standing]
    asked: set[int] | None
    """The accounts the view is complete for; None is all of them."""
    ruled_out: frozenset[int]
    """Accounts nobody has decided on that an ignore rule covers: they claim nothing."""

    owners: dict[int, str | int]
    """Account id → who claims and holds for it, of everybody in the view; see `SignIn.owner`."""

    def claimants(self) -> list[SignIn]:
        """Accounts nobody has decided on: only they claim what is theirs by name."""
        return [each for each in self.sign_ins if each.id not in self.ruled_out and not self._decided(each.id)]

    def holders(self) -> dict[int, list[int]]:
        """Record id → the accounts it is approved for."""
        held: dict[int, list[int]] = {}
        for standing in self.standings.values():
            if standing.state == MatchState.APPROVED and standing.record_id is not None:
                held.setdefault(standing.record_id, []).append(standing.account_id)
        return held

    def owned(self) -> dict[int, set[str | int]]:
        """Record id → whose it is."""
        return {record_id: {self.owners[each] for each in ids} for record_id, ids in self.holders().items()}

    def _decided(self, account_id: int) -> bool:
        standing = self.standings.get(account_id)
        return standing is not None and standing.decided


def suggest(session: Session, organization_id: int, names: Collection[str] | None = None) -> int:
    """Look again at the organization's undecided accounts; returns how many matches are new or changed.

    `names`: only at those that have to do with one of these bare usernames (folded), which is what changed: of accounts
    that came, went or were renamed, under their old and new names, and of records. A changed match has a new version.
    """
    view = _view(session, organization_id, names)
    verdicts = decide(view.claimants(), view.entries, view.owned())
    found = [Finding(account_id, verdict.record_id, verdict.state) for account_id, verdict in verdicts.items()]
    found += [Finding(account_id, None, MatchState.IGNORED) for account_id in sorted(view.ruled_out)]
    findings = []
    for finding in found:
        if view.asked is not None and finding.account_id not in view.asked:
            continue
        before = view.standings.get(finding.account_id)
        if before is None or (before.record_id, before.state) != (finding.record_id, finding.state):
            findings.append(finding)
    store_findings(session, organization_id, findings)
    if findings:
        touch(session, MATCH_REVIEW, organization_id)
    return len(findings)


def namesakes(session: Session, record: Record) -> list[SignInRow]:
    """The organization's accounts that go by the record's username, whatever its qualifier, URL or category say."""
    asked = parse_username(record.username)
    return sign_ins_named(session, record.organization_id, {asked.name, asked.whole} - {""})


def names_of(username_key: str, upn_key: str | None, mail_key: str | None) -> set[str]:
    """The bare usernames by which an account has to do with records: what to tell `suggest` when it changed."""
    return SignIn(0, username_key, upn_key, mail_key).names()


def candidates(session: Session, rows: Sequence[MatchRow]) -> dict[int, list[Candidate]]:
    """Match id → the account's exact records, each with who else claims or holds it; empty for decided matches."""
    found: dict[int, list[Candidate]] = {row.match.id: [] for row in rows}
    for organization_id in {row.organization.id for row in rows}:
        mine = [row for row in rows if row.organization.id == organization_id and row.match.state in UNDECIDED]
        names = {name for row in mine for name in _names(row)}
        if not names:
            continue
        view = _view(session, organization_id, names)
        held, claimed = view.holders(), claims(view.claimants(), view.entries)
        claimants: dict[int, list[int]] = {}
        for account_id, record_ids in claimed.items():
            for record_id in record_ids:
                claimants.setdefault(record_id, []).append(account_id)
        wanted = {record_id for row in mine for record_id in claimed.get(row.account.id, [])}
        records = get_records(session, wanted)
        people = {each for record_id in wanted for each in (*held.get(record_id, []), *claimants[record_id])}
        shown = shown_names(session, people)
        for row in mine:
            for record_id in claimed.get(row.account.id, []):
                mine_too = view.owners[row.account.id]
                holding = [each for each in held.get(record_id, []) if view.owners[each] != mine_too]
                claiming = [each for each in claimants[record_id] if view.owners[each] != mine_too]
                holders_shown = ", ".join(sorted(shown[each] for each in holding))
                others = ", ".join(sorted(shown[each] for each in claiming))
                note = f"{others} may claim it too." if others else ""
                note = f"Approved for {holders_shown} already." if holders_shown else note
                record = records[record_id]
                note, rivals = record.guard or note, tuple(sorted({*holding, *claiming}))
                found[row.match.id].append(Candidate(record_id, record.name, record.username, 100, note, rivals))
    return found


def search(session: Session, row: MatchRow, text: str = "", limit: int = 10) -> list[Candidate]:
    """The organization's records that come closest to the text, or to the account's own names, best first.

    Each says whose it is already, or why it is not the account's exact record.
    """
    return _closest(session, row.organization.id, [row], text, limit)[row.match.id]


def closest(session: Session, rows: Sequence[MatchRow], limit: int = 5) -> dict[int, list[Candidate]]:
    """Match id → the records that come closest to the account's own names, as `search` finds them; each read once."""
    found: dict[int, list[Candidate]] = {}
    for organization_id in {row.organization.id for row in rows}:
        mine = [row for row in rows if row.organization.id == organization_id]
        found |= _closest(session, organization_id, mine, "", limit)
    return found


def _closest(
    session: Session, organization_id: int, rows: Sequence[MatchRow], text: str, limit: int
) -> dict[int, list[Candidate]]:
    known = {entry.id: entry for entry in entries(session, organization_id)}
    texts = [(entry.id, entry.name, entry.username) for entry in known.values()]
    hits = {row.match.id: ranked([text] if text.strip() else _own_names(row), texts, limit) for row in rows}
    own = frozenset[str]().union(*_domains(session, organization_id).values())
    held: dict[int, set[int]] = {}
    for holder in holders(session, {hit.record_id for each in hits.values() for hit in each}):
        held.setdefault(holder.record_id or 0, set()).add(holder.account_id)
    found: dict[int, list[Candidate]] = {row.match.id: [] for row in rows}
    for row in rows:
        for hit in hits[row.match.id]:
            entry = known[hit.record_id]
            taken = "Approved for another account already." if held.get(entry.id, set()) - {row.account.id} else ""
            note = entry.guard or taken or elsewhere(entry.url, entry.category, own, entry.embedded_in)
            found[row.match.id].append(Candidate(entry.id, entry.name, entry.username, hit.score, note))
    return found


def _own_names(row: MatchRow) -> list[str]:
    account = row.account
    return [name for name in (account.username, account.upn, account.mail, account.display_name) if name]


def _view(session: Session, organization_id: int, names: Collection[str] | None) -> _View:
    domains = _domains(session, organization_id)
    own = frozenset[str]().union(*domains.values())
    accounts: Iterable[SignInRow]
    records: Iterable[EntryRow]
    stands: Iterable[Standing]
    if names is None or len(names) > _MANY:
        accounts, records = sign_ins(session, organization_id), entries(session, organization_id)
        accounts, stands, asked = list(accounts), standings(session, organization_id), None
    else:
        near = entries_named(session, organization_id, names)
        changed = sign_ins_named(session, organization_id, {*names, *map(_whole, near)})
        asked = {account.id for account in changed}
        theirs = {name for each in changed for name in names_of(each.username_key, each.upn_key, each.mail_key)}
        records = entries_named(session, organization_id, theirs)
        claimed = {entry.username_key for entry in records} | set(map(_whole, records))
        others = sign_ins_named(session, organization_id, claimed)
        accounts = {row.id: row for row in (*changed, *others)}.values()
        stands = standings_of(session, [row.id for row in accounts], [entry.id for entry in records])
    stood = {standing.account_id: standing for standing in stands}

    @cache
    def qualifiers(connection_id: int, domain: str) -> frozenset[str]:
        return domains.get(connection_id, frozenset()) | {fold(domain)} - {""}

    def domains_of(row: SignInRow) -> frozenset[str]:
        # Where people are told apart by the suffix, as in a tenant, another suffix names somebody else.
        by_suffix = row.upn_key is not None and row.upn_key.endswith(f"@{fold(row.domain)}")
        return frozenset() if by_suffix else qualifiers(row.connection_id, row.domain)

    people = [
        SignIn(row.id, row.username_key, row.upn_key, row.mail_key, domains_of(row), row.person) for row in accounts
    ]
    owners = {each.id: each.owner for each in people}
    elsewhere_named = [account_id for account_id in stood if account_id not in owners]
    persons = persons_of(session, elsewhere_named)
    return _View(
        sign_ins=people,
        entries=[
            Entry(
                entry.id, parse_username(entry.username), elsewhere(entry.url, entry.category, own, entry.embedded_in)
            )
            for entry in records
        ],
        standings=stood,
        asked=asked,
        ruled_out=_ruled_out(ignore_rules(session, organization_id), accounts, stood),
        owners=owners | {account_id: persons.get(account_id) or account_id for account_id in elsewhere_named},
    )


def _ruled_out(
    rules: Sequence[IgnoreRule], accounts: Iterable[SignInRow], stood: Mapping[int, Standing]
) -> frozenset[int]:
    """The accounts that are ignored by a rule: the later word counts, the rule's or that of whoever reopened one."""
    if not rules:
        return frozenset()

    @cache
    def said_at(unit: str | None) -> datetime | None:
        return max((rule.created_at for rule in rules if covers(rule, unit)), default=None)

    ruled_out = set()
    for account in accounts:
        at, standing = said_at(account.ou), stood.get(account.id)
        if at is None or account.tier in PROTECTED or (standing is not None and standing.decided):
            continue
        if standing is None or standing.decided_at is None or standing.decided_at < at:
            ruled_out.add(account.id)
    return frozenset(ruled_out)


def _domains(session: Session, organization_id: int) -> dict[int, frozenset[str]]:
    directories = connections_of(session, "directory", [organization_id])
    return {directory.id: frozenset(map(fold, directory.domain_names)) for _, directory in directories}


def _names(row: MatchRow) -> set[str]:
    return names_of(row.account.username_key, row.account.upn_key, row.account.mail_key)


def _whole(entry: EntryRow) -> str:
    return fold(entry.username)
