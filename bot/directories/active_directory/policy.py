"""Which password rules hold for an account: the domain's, or those of a fine-grained policy (PSO).

Ordinary accounts may not see fine-grained policies, so "none shown" is not "none": unless we know that we would have
seen one, a strict one is assumed, and said. Attribute meanings: MS-SAMR 3.1.1.5, MS-ADTS 3.1.1.4.5.36.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.directories.active_directory.entries import Entry
from bot.directories.active_directory.session import Session
from bot.passwords import PasswordPolicy, name_parts

COMPLEXITY = 0x1
"""A bit of the domain's pwdProperties."""
COMPLEX_CLASSES = 3
"""Of the five kinds of characters, how many Windows' complexity rule wants."""
FINE_GRAINED = 3
"""The domain functional level (Windows Server 2008) from which on fine-grained policies exist."""

_ASSUMED_LENGTH = 20
_ASSUMED_THRESHOLD = 3
_ASSUMED_WINDOW = timedelta(days=1)

_CONTAINER = "CN=Password Settings Container,CN=System"
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

    @property
    def policy(self) -> PasswordPolicy:
        """What holds for everybody under them; besides, nobody's password may hold parts of their own name."""
        return PasswordPolicy(
            length=self.length, classes=COMPLEX_CLASSES if self.complexity else 0, sources=(self.source,)
        )

    def for_account(self, username: str, display_name: str | None) -> PasswordPolicy:
        """The policy a new password of this account has to satisfy."""
        return replace(self.policy, forbidden=name_parts(username, display_name))


def rules_for(session: Session, entry: Entry) -> Rules:
    """The rules for an account, from its entry (with msDS-ResultantPSO); fine-grained ones are read once a session."""
    pso = entry.text("msDS-ResultantPSO")
    if pso is None:
        if would_show(session):
            return domain_rules(session)
        return _cautious(session, "we may not see whether a fine-grained policy holds")
    if pso not in session.kept:
        found = session.read(pso, _PSO)
        readable = found is not None and found.all("msDS-MinimumPasswordLength")
        session.kept[pso] = (
            _fine_grained(found)
            if found and readable
            else _cautious(session, "a fine-grained policy holds that we may not read")
        )
    rules: Rules = session.kept[pso]
    return rules


def domain_rules(session: Session) -> Rules:
    """The rules of those for whom no fine-grained policy holds."""
    head = session.head
    if not (head.all("minPwdLength") and head.all("lockoutThreshold")):
        return _cautious(session, "we may not read the domain's policy")
    return Rules(
        length=head.integer("minPwdLength"),
        complexity=bool(head.integer("pwdProperties") & COMPLEXITY),
        minimum_age=head.span("minPwdAge"),
        threshold=head.integer("lockoutThreshold"),
        window=head.span("lockOutObservationWindow"),
        source="The domain's password policy.",
    )


def shown_policies(session: Session) -> tuple[tuple[PasswordPolicy, ...], str]:
    """Every policy of the domain that we may read, its own one first; and a sentence about what we may not."""
    policies = [domain_rules(session).policy]
    if not would_show(session):
        return tuple(policies), (
            "Rekey's account may not read fine-grained password policies there, so those are not compared. Give it the "
            "right to read the Password Settings Container; until then each password is made careful enough for any."
        )
    if session.functionality >= FINE_GRAINED:
        found = session.find("(objectClass=msDS-PasswordSettings)", _PSO, f"{_CONTAINER},{session.base}")
        policies += [_fine_grained(entry).policy for entry in found if entry.all("msDS-MinimumPasswordLength")]
    return tuple(policies), ""


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
    """The domain's own rules, as far as they are shown, made as strict as any sensible policy."""
    head = session.head
    return Rules(
        length=max(head.integer("minPwdLength"), _ASSUMED_LENGTH),
        complexity=True,
        minimum_age=head.span("minPwdAge"),
        threshold=min(head.integer("lockoutThreshold") or _ASSUMED_THRESHOLD, _ASSUMED_THRESHOLD),
        window=max(head.span("lockOutObservationWindow"), _ASSUMED_WINDOW),
        source=f"A careful assumption, because {why}: at least {_ASSUMED_LENGTH} characters, with complexity.",
    )


def would_show(session: Session) -> bool:
    """Whether an account for which no fine-grained policy is shown really has none.

    The domain's level knows none, or we may see them: whoever may can read their container, which is hidden from
    everybody else.
    """
    if "shows" not in session.kept:
        container = session.read(f"{_CONTAINER},{session.base}", ("name",))
        readable = container is not None and container.text("name") is not None
        session.kept["shows"] = readable or session.functionality < FINE_GRAINED
    return bool(session.kept["shows"])
