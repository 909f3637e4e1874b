"""Profiles: what is kept about operators besides their roles."""

from datetime import datetime

from sqlmodel import Session, col, select

from storage.models import Grant, Profile


def find_profile(session: Session, operator: str) -> Profile | None:
    """What is kept about this operator, if anything is."""
    return session.get(Profile, operator)


def profile_of(session: Session, operator: str) -> Profile:
    """The same, made if need be; for a writing transaction."""
    profile = session.get(Profile, operator)
    if profile is None:
        profile = Profile(operator=operator)
        session.add(profile)
        session.flush()
    return profile


def find_enrolment(session: Session, code_hash: str, at: datetime) -> Profile | None:
    """Whose unexpired enrolment code has this hash."""
    held = select(Profile).where(Profile.enrolment == code_hash, col(Profile.enrolment_until) > at)
    return session.exec(held).first()


def profiles(session: Session) -> dict[str, Profile]:
    """Every profile, by operator."""
    return {profile.operator: profile for profile in session.exec(select(Profile))}


def grants(session: Session) -> list[Grant]:
    """Every role that was given, by operator; those that hold everywhere first."""
    return list(
        session.exec(select(Grant).order_by(Grant.operator, col(Grant.organization_id).is_not(None), col(Grant.id)))
    )
