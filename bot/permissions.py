"""Who may do what to which tier where.

Every `may_…` is pure: from an operator's roles, an organization and a tier it makes a `Decision`, whose reason is a
sentence for the person who is refused. Roles are sets of (verb × tier), so the table below is the whole policy:

    viewer          sees status and history, nothing else
    technician      also syncs and stops everything; matches, rotates, restores and reads, but no privileged and no
                    break-glass account: nobody may become a domain administrator by pressing buttons here
    administrator   everything, on every tier; adds a second person's account to a record, or a privileged account to
                    any; lifts a stop; changes rules, connections, roles

A break-glass account is rotated by name only, whoever asks; a schedule rotates the tiers its rule includes.
"""

import os
import pwd
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from storage.grants import roles_of
from storage.models import SCHEDULE, Role, Tier

BULK_TIERS = (Tier.PERSON, Tier.SHARED, Tier.SERVICE, Tier.PRIVILEGED)
"""The tiers that "all" may be made to include."""

DEFAULT_BULK = (Tier.SHARED, Tier.PRIVILEGED)
"""The tiers that "all" includes unless the organization says otherwise."""


class Verb(StrEnum):
    """What somebody wants to do, as it stands in a sentence."""

    SEE = "see the status of"
    SYNC = "sync"
    STOP = "stop"
    MATCH = "match"
    ROTATE = "rotate"
    RESTORE = "restore"
    READ = "read the passwords of"
    START = "start"
    ADMINISTER = "change the settings of"


_ARTICLES = {Role.ADMINISTRATOR: "an", Role.TECHNICIAN: "a", Role.VIEWER: "a"}

EVERY_TIER = frozenset(Tier)
PROTECTED = frozenset({Tier.PRIVILEGED, Tier.BREAK_GLASS})

_POWERS: dict[Role, dict[Verb, frozenset[Tier]]] = {
    Role.VIEWER: {Verb.SEE: EVERY_TIER},
    Role.TECHNICIAN: {
        **dict.fromkeys((Verb.SEE, Verb.SYNC, Verb.STOP), EVERY_TIER),
        **dict.fromkeys((Verb.MATCH, Verb.ROTATE, Verb.RESTORE, Verb.READ), EVERY_TIER - PROTECTED),
    },
    Role.ADMINISTRATOR: dict.fromkeys(Verb, EVERY_TIER),
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether something may be done; when not, why and who can, in sentences."""

    allowed: bool
    reason: str = ""


YES = Decision(True)


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who asks for something, with the roles they hold (by organization id; None is everywhere)."""

    key: str
    """Who: what the audit trail shows."""
    source: str
    """From where they ask: the command line, a card, a page."""
    roles: Mapping[int | None, Role]
    name: str = ""


def cli_operator() -> Operator:
    """Whoever runs the command: `cli:<OS user>@<host>`, an administrator, since who has the shell has the key."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        user = str(os.getuid())
    key = f"cli:{user}@{socket.gethostname()}"
    return Operator(key=key, source="command line", roles={None: Role.ADMINISTRATOR}, name=user)


def operator_named(session: Session, key: str, source: str, administrators: Collection[str] = ()) -> Operator:
    """The operator with this key and the roles granted to them; somebody unknown holds none. `administrators` (from the
    settings) hold that role everywhere whatever is stored, and so does whoever asked on the command line, and the
    schedule: an administrator switched it on, with the tiers it may include.
    """
    roles = roles_of(session, key)
    if key in (*administrators, SCHEDULE) or key.startswith("cli:"):  # whoever has the shell has the key
        roles[None] = Role.ADMINISTRATOR
    return Operator(key=key, source=source, roles=roles)


def may_see(operator: Operator, organization_id: int) -> Decision:
    """May they see this organization's status and history?"""
    return _may(operator, Verb.SEE, organization_id)


def may_sync(operator: Operator, organization_id: int) -> Decision:
    """May they have its directories and vault read anew?"""
    return _may(operator, Verb.SYNC, organization_id)


def may_stop(operator: Operator, organization_id: int) -> Decision:
    """May they freeze it, so that nothing is written outside until somebody lifts it?"""
    return _may(operator, Verb.STOP, organization_id)


def may_start(operator: Operator, organization_id: int) -> Decision:
    """May they lift a freeze?"""
    return _may(operator, Verb.START, organization_id)


def may_administer(operator: Operator, organization_id: int | None) -> Decision:
    """May they change its settings, connections, rule and roles; for None, everybody's?"""
    return _may(operator, Verb.ADMINISTER, organization_id)


def may_read(operator: Operator, organization_id: int, tier: Tier) -> Decision:
    """May they read the password of an account of this tier?"""
    return _may(operator, Verb.READ, organization_id, tier)


def may_restore(operator: Operator, organization_id: int, tier: Tier) -> Decision:
    """May they bring back an earlier password of an account of this tier?"""
    return _may(operator, Verb.RESTORE, organization_id, tier)


def may_match(operator: Operator, organization_id: int, tier: Tier, *, second_person: bool = False) -> Decision:
    """May they decide which record an account of this tier belongs to?

    `second_person`: the record already holds another person's account. That, and adding a privileged account to any
    record, hands one person another one's password: it takes an administrator.
    """
    decision = _may(operator, Verb.MATCH, organization_id, tier)
    if decision.allowed and second_person and _role(operator, organization_id) is not Role.ADMINISTRATOR:
        return Decision(
            False,
            "This record already belongs to another person's account: both would get the same password. "
            "Only an administrator may do that.",
        )
    return decision


def may_rotate(
    operator: Operator, organization_id: int, tier: Tier, *, by_name: bool = True, bulk: Collection[str] = DEFAULT_BULK
) -> Decision:
    """May they give an account of this tier a new password?

    `by_name`: they asked for this very record. Otherwise it is part of "all", which includes only the organization's
    `bulk` tiers and never a break-glass account.
    """
    if not by_name and tier is Tier.BREAK_GLASS:
        return Decision(False, 'Break-glass accounts are never part of "all". Ask for this one by its name.')
    if not by_name and tier not in bulk:
        return Decision(
            False,
            f'{_plural(tier)} are not part of "all" in this organization. Ask for this one by its name, or have an '
            f"administrator add {tier} to `bulk`.",
        )
    return _may(operator, Verb.ROTATE, organization_id, tier)


def _may(operator: Operator, verb: Verb, organization_id: int | None, tier: Tier | None = None) -> Decision:
    role = _role(operator, organization_id)
    where = "everywhere" if organization_id is None else "in this organization"
    if role is None:
        return Decision(False, f"You have no role {where}. Ask an administrator for one.")
    if _has_power(role, verb, tier):
        return YES
    what = f"{_plural(tier).lower()} here" if tier else "this organization" if organization_id else "everything"
    enough = next(each for each in reversed(Role) if _has_power(each, verb, tier))
    return Decision(False, f"A {role} may not {verb} {what}. Ask {_ARTICLES[enough]} {enough}.")


def _has_power(role: Role, verb: Verb, tier: Tier | None) -> bool:
    tiers = _POWERS[role].get(verb, frozenset())
    return bool(tiers) if tier is None else tier in tiers


def _role(operator: Operator, organization_id: int | None) -> Role | None:
    """The strongest role that holds there."""
    held = {operator.roles.get(None), operator.roles.get(organization_id)}
    return next((role for role in Role if role in held), None)


def _plural(tier: Tier) -> str:
    return f"{tier.capitalize()} accounts"
