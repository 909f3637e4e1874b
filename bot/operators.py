"""Operators: who holds which role, given and taken by name."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from bot.audit import Trail
from bot.errors import BadInput, NotPermitted
from bot.permissions import Operator, may_administer
from bot.step_up import is_enrolled
from storage.grants import operators_with, roles_of, set_operators
from storage.models import Organization, Role, now
from storage.organizations import organizations
from storage.profiles import grants, profiles


@dataclass(frozen=True, slots=True)
class Listed:
    """One operator as `rekey operators list` shows them; organizations by name, None is everywhere."""

    key: str
    roles: tuple[tuple[str | None, Role], ...]
    from_settings: bool
    """REKEY_ADMINISTRATORS names them."""
    enrolled: bool
    blocked: bool
    """Too many wrong codes a moment ago."""


def listed(session: Session, administrators: Sequence[str]) -> list[Listed]:
    """Everybody who holds a role or has enrolled, by key."""
    names = {organization.id: organization.name for organization in organizations(session)}
    roles: dict[str, list[tuple[str | None, Role]]] = {key: [] for key in administrators}
    for grant in grants(session):
        place = None if grant.organization_id is None else names[grant.organization_id]
        roles.setdefault(grant.operator, []).append((place, Role(grant.role)))
    known = profiles(session)
    found = []
    for key in sorted({*roles, *known}):
        profile = known.get(key)
        blocked = profile.step_up_blocked_until if profile else None
        found.append(
            Listed(
                key,
                tuple(roles.get(key, ())),
                key in administrators,
                is_enrolled(profile),
                blocked is not None and blocked > now(),
            )
        )
    return found


def grant(
    session: Session, trail: Trail, by: Operator, operator: str, role: Role, organization: Organization | None
) -> str:
    """Give a role there (everywhere for None), instead of another held at that place; says what is true now.

    `NotPermitted` when `by` may not.
    """
    _refuse_unless_administrator(by, organization)
    place = organization.id if organization else None
    where = _where(organization)
    if roles_of(session, operator).get(place) is role:
        return f"{operator} is {role} {where} already. Nothing was changed."
    set_operators(session, role, place, [*operators_with(session, role, place), operator])
    _write_down(session, trail, by, "role.given", operator, role, organization)
    return f"{operator} is {role} {where} now."


def revoke(session: Session, trail: Trail, by: Operator, operator: str, organization: Organization | None) -> str:
    """Take the role held there (everywhere for None); says what is true now.

    `BadInput` when they hold none there, `NotPermitted` when `by` may not.
    """
    _refuse_unless_administrator(by, organization)
    place = organization.id if organization else None
    where = _where(organization)
    held = roles_of(session, operator).get(place)
    if held is None:
        raise BadInput(f"{operator} was given no role {where}. Nothing was changed.")
    set_operators(session, held, place, [key for key in operators_with(session, held, place) if key != operator])
    _write_down(session, trail, by, "role.taken", operator, held, organization)
    return f"{operator} is no longer {held} {where}."


def _write_down(
    session: Session,
    trail: Trail,
    by: Operator,
    event: str,
    operator: str,
    role: Role,
    organization: Organization | None,
) -> None:
    trail.append(
        session,
        event=event,
        operator=by.key,
        source=by.source,
        organization=organization,
        subject=operator,
        details={"role": role},
    )


def _refuse_unless_administrator(by: Operator, organization: Organization | None) -> None:
    decision = may_administer(by, organization.id if organization else None)
    if not decision.allowed:
        raise NotPermitted(f"{decision.reason} Nothing was changed.")


def _where(organization: Organization | None) -> str:
    return f"in {organization.name}" if organization else "everywhere"
