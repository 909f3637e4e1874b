"""Queries on organizations."""

from sqlmodel import Session, col, or_, select

from storage.connections import name_key
from storage.models import Organization
from storage.names import row_id, the_only


def organizations(session: Session) -> list[Organization]:
    """Every organization, by name."""
    return list(session.exec(select(Organization).order_by(col(Organization.name_key))))


def get_organization(session: Session, name_or_id: str | int) -> Organization:
    """The organization with this id, or with this name whatever its case.

    `RowNotFound` when there is none, or when a number is the id of one and the name of another.
    """
    asked = or_(col(Organization.name_key) == name_key(str(name_or_id)), col(Organization.id) == row_id(name_or_id))
    found = session.exec(select(Organization).where(asked).order_by(col(Organization.id))).all()
    return the_only([(row.id, row.name, row) for row in found], "organization", name_or_id)


def organization_of(session: Session, channel: str) -> Organization | None:
    """The organization whose channel this is."""
    return session.exec(select(Organization).where(Organization.channel == channel)).one_or_none()


def find_organization(session: Session, name: str) -> Organization | None:
    """The organization with this name, whatever its case."""
    return session.exec(select(Organization).where(Organization.name_key == name_key(name))).one_or_none()
