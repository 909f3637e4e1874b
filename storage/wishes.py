"""Wishes: who wants to hear of which results, and how."""

from sqlmodel import Session, col, select

from storage.models import Tell, Way, Wish

_MESSAGES = (Way.MESSAGE, Way.BOTH)
_LETTERS = (Way.EMAIL, Way.BOTH)


def by_message(way: Way) -> bool:
    """Whether this way includes a direct message."""
    return way in _MESSAGES


def by_email(way: Way) -> bool:
    """Whether this way includes an e-mail."""
    return way in _LETTERS


def wishes_of(session: Session, operator: str) -> dict[int | None, Wish]:
    """What this operator said, by organization; under None what holds everywhere else, said or not."""
    said = session.exec(select(Wish).where(Wish.operator == operator).order_by(col(Wish.id)))
    return {None: Wish(operator=operator)} | {each.organization_id: each for each in said}


def find_wish(session: Session, operator: str, organization_id: int | None) -> Wish | None:
    """What this operator said about this organization, or (None) everything else."""
    return session.exec(
        select(Wish).where(Wish.operator == operator, col(Wish.organization_id) == organization_id)
        if organization_id is not None
        else select(Wish).where(Wish.operator == operator, col(Wish.organization_id).is_(None))
    ).one_or_none()


def listeners(session: Session, organization_id: int, requested_by: str, *, failed: bool) -> dict[str, Way]:
    """Who wants to hear of a result in this organization, and how: whoever asked for it, and whoever follows it.

    What somebody said about the organization overrides what they said about everything they ask for.
    """
    said = {each.operator: each for each in session.exec(select(Wish).where(Wish.organization_id == organization_id))}
    if requested_by not in said and requested_by[:1] in ("U", "W"):  # a person in Slack, not a shell or a schedule
        said[requested_by] = wishes_of(session, requested_by)[None]
    return {
        operator: Way(wish.way)
        for operator, wish in said.items()
        if wish.way != Way.NONE and (failed or wish.tell == Tell.ALL)
    }
