"""Is a rule at least as strict as every directory it covers? Held against what the directories showed.

A weaker rule never leads to a refused password: the stricter demand of both is used. It is said all the same, so that
what stands in the rule is what people get.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from bot.passwords import PasswordPolicy
from bot.rules import at_least_as_strict
from storage.models import Organization
from storage.policies import policies_shown

_CLASSES = ("uppercase", "lowercase", "number", "symbol")


@dataclass(frozen=True, slots=True)
class Wants:
    """A directory that demands more than the rule."""

    organization: str
    directory: str
    policy: PasswordPolicy
    connection_id: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """A directory of which it is not known what it demands."""

    organization: str
    directory: str
    why: str


@dataclass(frozen=True, slots=True)
class Held:
    """What came of holding a rule against its directories."""

    directories: int
    wants: tuple[Wants, ...] = ()
    unread: tuple[Unread, ...] = ()


def hold_against(session: Session, policy: PasswordPolicy, organizations: Iterable[Organization]) -> Held:
    """Hold what a rule demands against every directory of these organizations, as they showed it last."""
    shown = policies_shown(session, [each.id for each in organizations])
    wants: list[Wants] = []
    unread: list[Unread] = []
    for organization, connection, known in shown:
        place = (organization.name, connection.name)
        if known is None:
            unread.append(Unread(*place, "It was not read yet: `/rotate sync` reads it."))
            continue
        if known.trouble:
            unread.append(Unread(*place, known.trouble))
        for each in known.policies:
            # Parts of each account's own name are forbidden by the policy of whichever password is made.
            demanded = replace(PasswordPolicy.from_json(each), forbidden=())
            if not at_least_as_strict(policy, demanded):
                wants.append(Wants(*place, demanded, connection.id))
    return Held(len(shown), tuple(wants), tuple(unread))


def raised(values: Mapping[str, Any], wants: Iterable[Wants]) -> dict[str, Any]:
    """The rule's values, raised to what these directories demand."""
    found = dict(values)
    for each in wants:
        policy = each.policy
        found["length"] = max(int(found["length"]), policy.length)
        for name in (*_CLASSES, "unambiguous"):
            found[name] = bool(found[name]) or bool(getattr(policy, name))
        lacking = [name for name in _CLASSES if not found[name]]
        for name in lacking[: max(0, policy.classes - (len(_CLASSES) - len(lacking)))]:
            found[name] = True
        if found["symbol"] and found.get("symbols") == "":
            found["symbols"] = None
    return found
