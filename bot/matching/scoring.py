"""Which record is an account's own, and which come closest. Pure.

A record is an account's **exact** one when its username is the account's, whatever the case:

- its whole username is the account's username, UPN or mail address; or
- it is qualified (`CORP\\jane`, `jane@corp.example`), the name is the account's username, and the qualifier is its
  domain: a domain name of its directory, the domain it is shown with, or the suffix of its UPN;

unless the record says that it belongs **elsewhere** (`elsewhere`): another site's address, a category that names a
site or a device, or a mailbox at a public provider. Matching is a write path: what is doubtful is left to a person,
who finds the closest records ranked.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from rapidfuzz import fuzz, process

from storage.models import MatchState
from storage.names import Username, fold

_MICROSOFT_SIGN_IN = frozenset(
    {
        "login.microsoft.com",
        "login.windows.net",
        "microsoftonline.com",
        "microsoftonline.us",
        "microsoftonline.cn",
        "office.com",
        "office365.com",
        "microsoft365.com",
        "cloud.microsoft",
        "portal.azure.com",
        "entra.microsoft.com",
        "admin.microsoft.com",
        "myaccount.microsoft.com",
        "myapps.microsoft.com",
        "mysignins.microsoft.com",
        "teams.microsoft.com",
    }
)
"""Where people sign in with their work account; anything beneath these counts too."""

_DIRECTORY_SCHEMES = frozenset({"ldap", "ldaps", "rdp", "ms-rd"})
"""Addresses of a server that asks the directory; near ones need not carry the domain's name."""

_OTHER_CATEGORY = re.compile(
    r"\b(web ?(site|page)?s?|sites?|registrar|hosting|social|bank(ing)?|shop|vendor|saas|database|sql|local"
    r"|embedded|devices?|appliance|iot|printer|copier|scanner|router|switch|firewall|gateway|modem|wi-?fi|wlan|wireless"
    r"|nas|camera|cctv|dvr|phone|voip|pbx|ups|bios|ilo|idrac|ipmi|bmc)\b"
)
"""Words of a category by which a record says that no directory checks its password."""

_PERSON_ENTRY = re.compile(r"contacts?\b", re.IGNORECASE)
"""What a record may be embedded in and still be somebody's own."""

_PUBLIC_MAIL = re.compile(
    r"(gmail|googlemail|outlook|hotmail|live|msn|yahoo|icloud|me|aol|gmx|web|mail|proton|protonmail)"
    r"\.(com|net|me|de|at|ch|fr|it|es|nl|co\.uk)"
)


class SignIn(NamedTuple):
    """What scoring needs of an account; every text folded by `storage.names.fold`."""

    id: int
    username: str
    upn: str | None = None
    mail: str | None = None
    domains: frozenset[str] = frozenset()
    """The names its directory's usernames may be qualified with; its own UPN's suffix need not be among them."""
    person: str | None = None
    """Accounts with the same one are one person's; None is nobody else's."""

    @property
    def owner(self) -> str | int:
        """Who claims what is this account's own."""
        return self.id if self.person is None else self.person

    def names(self) -> set[str]:
        """The bare names a record of this account can have: what to look records up by."""
        return {_bare(text) for text in (self.username, self.upn, self.mail) if text}


class Entry(NamedTuple):
    """What scoring needs of a record."""

    id: int
    username: Username
    elsewhere: str = ""
    """Why it is nobody's exact record, as `elsewhere` says; empty when nothing speaks against it."""


class Verdict(NamedTuple):
    """Where an undecided account stands; the record is set when it is suggested."""

    state: MatchState
    record_id: int | None


class Ranked(NamedTuple):
    """A record and how close it comes, from 0 to 99, or 100 when its name or username is the same."""

    record_id: int
    score: float


def is_exact(account: SignIn, entry: Entry) -> bool:
    """Whether the record's username is the account's, and nothing says that it belongs elsewhere."""
    asked = entry.username
    if entry.elsewhere or not asked.name:
        return False
    if asked.whole in (account.username, account.upn):
        return True
    if asked.qualifier is None:
        return False
    if asked.whole == account.mail:
        return _PUBLIC_MAIL.fullmatch(asked.qualifier) is None
    return asked.name == account.username and asked.qualifier in (*account.domains, _suffix(account.upn))


def claims(accounts: Iterable[SignIn], records: Iterable[Entry]) -> dict[int, list[int]]:
    """Account id → the ids of its exact records, in the records' order; accounts without one are left out."""
    named: dict[str, list[Entry]] = {}
    for entry in records:
        if not entry.elsewhere and entry.username.name:
            named.setdefault(entry.username.name, []).append(entry)
    found: dict[int, list[int]] = {}
    for account in accounts:
        near = [entry for name in account.names() if name in named for entry in named[name]]
        exact = [entry.id for entry in near if is_exact(account, entry)]
        if exact:
            found[account.id] = exact
    return found


def decide(
    accounts: Sequence[SignIn], records: Iterable[Entry], held: Mapping[int, Collection[str | int]] | None = None
) -> dict[int, Verdict]:
    """Where each of these undecided accounts stands with these records; `held` ones are approved for these owners.

    suggested: one exact record, which nobody else claims or holds. several: more than one, or one that others do; what
    is the same person's is not others'. none: no exact record. The answer depends on all claimants: leave out only
    accounts that are decided.
    """
    claimed = claims(accounts, records)
    owners: dict[int, set[str | int]] = {record_id: set(those) for record_id, those in (held or {}).items()}
    for account in accounts:
        for record_id in claimed.get(account.id, ()):
            owners.setdefault(record_id, set()).add(account.owner)
    verdicts = {}
    for account in accounts:
        exact = claimed.get(account.id, [])
        if not exact:
            verdicts[account.id] = Verdict(MatchState.NONE, None)
        elif len(exact) == 1 and owners[exact[0]] == {account.owner}:
            verdicts[account.id] = Verdict(MatchState.SUGGESTED, exact[0])
        else:
            verdicts[account.id] = Verdict(MatchState.SEVERAL, None)
    return verdicts


def elsewhere(
    url: str | None, category: str | None, own_domains: frozenset[str], embedded_in: str | None = None
) -> str:
    """Why a record with this URL and category is nobody's exact one, in a sentence; empty when it may be.

    Embedded in another entry of its vault it belongs to that one (a device, a site, a certificate), unless that is a
    person.

    The URL is fine when there is none, when its host is one of the organization's own domains or lies beneath one, when
    it is a Microsoft sign-in page, or when it is an LDAP or remote desktop address without a public name. A category
    speaks against the record when one of its words names a site or a device ("Website login", "embedded", "Printer").
    """
    if embedded_in and not _PERSON_ENTRY.match(embedded_in):
        return f"It is embedded in {embedded_in}, so that is most likely what it signs in to."
    if category and _OTHER_CATEGORY.search(category.casefold().replace("_", " ")):
        return f"Its category, {category}, says that no directory checks this password."
    if not url or not url.strip():
        return ""
    scheme, host = _address(url.strip())
    if not host:
        return "Its URL cannot be read, so it may be some other site's."
    if any(zone in own_domains or zone in _MICROSOFT_SIGN_IN for zone in _zones(host)):
        return ""
    if scheme in _DIRECTORY_SCHEMES and _is_near(host):
        return ""
    return f"Its URL is {host}: another site's, as far as is known."


def ranked(
    texts: Sequence[str], records: Iterable[tuple[int, str, str]], limit: int, *, least: float = 50
) -> list[Ranked]:
    """The records that come closest to any of these texts (what somebody typed, or an account's names), best first.

    A record is its id, name and username. Those whose username or name is one of the texts come first, then by score,
    then by name; nothing below `least` is shown.
    """
    rows = [(record_id, fold(name), fold(username)) for record_id, name, username in records]
    wanted = [text for text in dict.fromkeys(map(fold, texts)) if text]
    scores: dict[int, float] = {}
    for text in wanted:
        for column, scorer in ((1, fuzz.WRatio), (2, fuzz.ratio)):
            shown = {place: str(row[column]) for place, row in enumerate(rows) if row[column]}
            for _, score, place in process.extract(text, shown, scorer=scorer, score_cutoff=least, limit=None):
                scores[place] = max(score, scores.get(place, 0))
    same = {place for place in scores if wanted and not {rows[place][1], rows[place][2]}.isdisjoint(wanted)}
    best = sorted(scores, key=lambda place: (place not in same, -scores[place], rows[place][1], rows[place][0]))
    return [Ranked(rows[place][0], 100 if place in same else min(scores[place], 99)) for place in best[:limit]]


def _bare(text: str) -> str:
    return text.rpartition("@")[0] or text


def _suffix(upn: str | None) -> str | None:
    return upn.rpartition("@")[2] if upn and "@" in upn else None


@lru_cache(maxsize=4096)
def _address(url: str) -> tuple[str, str]:
    """The scheme and host of an address as people write it down; an empty host when it cannot be read."""
    try:
        parts = urlsplit(url if "://" in url else "//" + url.lstrip("\\/").replace("\\", "/"))
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    return parts.scheme.lower(), "" if re.search(r"\s", host) else host.rstrip(".")


def _zones(host: str) -> Iterator[str]:
    """The host and every domain it lies beneath."""
    while host:
        yield host
        host = host.partition(".")[2]


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host
