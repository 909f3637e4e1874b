"""Who holds which role where, as rows. A place is an organization's id, or None for everywhere."""

from collections.abc import Collection

from sqlmodel import Session, col, delete, select

from storage.models import Grant, Role


def roles_of(session: Session, operator: str) -> dict[int | None, Role]:
    """The operator's roles by place."""
    grants = session.exec(select(Grant).where(Grant.operator == operator)).all()
    return {grant.organization_id: Role(grant.role) for grant in grants}


def operators_with(session: Session, role: Role, place: int | None) -> list[str]:
    """Who was given this role at exactly this place, by key, in order."""
    granted = select(Grant.operator).where(Grant.role == role, col(Grant.organization_id).is_not_distinct_from(place))
    return list(session.exec(granted.order_by(Grant.operator)).all())


def set_operators(session: Session, role: Role, place: int | None, operators: Collection[str]) -> list[str]:
    """Let exactly these hold the role at this place. Returns who gained or lost it, by key, in order.

    An operator has one role per place: whoever gains this one loses another given there.
    """
    before, after = set(operators_with(session, role, place)), set(operators)
    here = col(Grant.organization_id).is_not_distinct_from(place)
    session.execute(delete(Grant).where(here, col(Grant.role) == role, col(Grant.operator).in_(before - after)))
    session.execute(delete(Grant).where(here, col(Grant.operator).in_(after - before)))
    session.add_all(Grant(operator=key, role=role, organization_id=place) for key in sorted(after - before))
    session.flush()
    return sorted(before ^ after)
