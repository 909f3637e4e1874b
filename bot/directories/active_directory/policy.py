"""Which password rules hold for an account: the domain's, or those of a fine-grained policy (PSO).

Ordinary accounts may not see fine-grained policies, so "none shown" is not "none": unless we know that we would have
seen one, a strict one is assumed, and said. Attribute meanings: MS-SAMR 3.1.1.5, MS-ADTS 3.1.1.4.5.36.
"""

from dataclasses import dataclass
from datetime import timedelta

from bot.directories.active_directory.connection import Session
from bot.directories.active_directory.entries import Entry
from bot.passwords import PasswordPolicy, name_parts

COMPLEXITY = 0x1
"""A bit of the domain's pwdProperties."""
COMPLEX_CLASSES = 3
"""Of the five kinds of characters, how many Windows' complexity rule wants."""
FINE_GRAINED = 3
"""The domain functional level (Windows Server 2008) from which on fine-grained policies exist."""
_ADMINISTRATORS = ("-512", "S-1-5-32-544", "-519", "S-1-5-18")

_ASSUMED_LENGTH = 20
_ASSUMED_THRESHOLD = 3
_ASSUMED_WINDOW = timedelta(minutes=60)

_PSO = (
    "name", "msDS-MinimumPasswordLength", "msDS-PasswordComplexityEnabled", "msDS-MinimumPasswordAge",
    "msDS-LockoutThreshold", "msDS-LockoutObservationWindow",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What the domain demands of a password, and when wrong ones lock the account."""

    length: int
    complexity: bool
    minimum_age: timedelta
    threshold: int
    """So many wrong passwords lock the account; 0 means none ever do."""
    window: timedelta
    """Wrong passwords older than this no longer count."""
    source: str

    def for_account(self, username: str, display_name: str | None) -> PasswordPolicy:
        """The policy a new password of this account has to satisfy."""
        return PasswordPolicy(
            length=self.length,
            classes=COMPLEX_CLASSES if self.complexity else 0,
            forbidden=name_parts(username, display_name),
            sources=(self.source,),
        )


def rules_for(session: Session, entry: Entry) -> Rules:
    """The rules for an account, from its entry (with msDS-ResultantPSO); fine-grained ones are read once a session."""
    pso = entry.text("msDS-ResultantPSO")
    if pso is None:
        return _domain(session) if _would_show(session) else _cautious(session, "no fine-grained policy is shown to us")
    if pso not in session.kept:
        found = session.read(pso, _PSO)
        readable = found is not None and found.all("msDS-MinimumPasswordLength")
        session.kept[pso] = (
            _fine_grained(found) if found and readable else _cautious(session, "the fine-grained policy may not be read by us")
        )
    rules: Rules = session.kept[pso]
    return rules


def _domain(session: Session) -> Rules:
    head = session.head
    return Rules(
        length=head.integer("minPwdLength"),
        complexity=bool(head.integer("pwdProperties") & COMPLEXITY),
        minimum_age=head.span("minPwdAge"),
        threshold=head.integer("lockoutThreshold"),
        window=head.span("lockOutObservationWindow"),
        source="The domain's password policy.",
    )


def _fine_grained(entry: Entry) -> Rules:
    return Rules(
        length=entry.integer("msDS-MinimumPasswordLength"),
        complexity=entry.text("msDS-PasswordComplexityEnabled") == "TRUE",
        minimum_age=entry.span("msDS-MinimumPasswordAge"),
        threshold=entry.integer("msDS-LockoutThreshold"),
        window=entry.span("msDS-LockoutObservationWindow"),
        source=f"The fine-grained password policy “{entry.text('name')}”.",
    )


def _cautious(session: Session, why: str) -> Rules:
    domain = _domain(session)
    return Rules(
        length=max(domain.length, _ASSUMED_LENGTH),
        complexity=True,
        minimum_age=domain.minimum_age,
        threshold=min(domain.threshold or _ASSUMED_THRESHOLD, _ASSUMED_THRESHOLD),
        window=max(domain.window, _ASSUMED_WINDOW),
        source=f"A careful assumption, because {why}: at least {_ASSUMED_LENGTH} characters, with complexity.",
    )


def _would_show(session: Session) -> bool:
    """Whether an account without a fine-grained policy shown really has none: the level has none, or we may see them."""
    if "shows" not in session.kept:
        session.kept["shows"] = (
            session.functionality < FINE_GRAINED
            or any(sid.endswith(_ADMINISTRATORS) for sid in session.tokens)
            or any(session.find("(objectClass=msDS-PasswordSettings)", ("name", "msDS-MinimumPasswordLength"), _container(session)))
        )
    return bool(session.kept["shows"])


def _container(session: Session) -> str:
    return f"CN=Password Settings Container,CN=System,{session.base}"
