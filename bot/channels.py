"""What becomes of an organization's channel: why Rekey cannot post there, and who is told so.

Nothing that was to be posted is lost meanwhile: it stays in the outbox and goes out once the channel is mended.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session

from bot.errors import RowNotFound
from storage.grants import operators_with
from storage.models import Notice, Organization, Role
from storage.notices import finish, open_notices, post, readdress, show, try_again
from storage.organizations import organization_of

KIND = "channel"
"""The notice to administrators; its subject is the organization."""
NAME_KIND = "channel_name"
"""The same, where nothing is wrong: only its name is another one."""

SHARED_OUTSIDE = "shared_outside"
RENAMED = "renamed"

_ELSEWHERE = "Or bind another one: type `/rotate setup` in the channel that is to be the organization's."
_WORDS: dict[str, tuple[str, str]] = {
    "not_in_channel": ("Rekey is not in the channel.", f"Type `/invite` there and choose Rekey. {_ELSEWHERE}"),
    "channel_not_found": (
        "Slack does not show Rekey this channel: it was deleted, or it is private and Rekey is not in it.",
        f"Type `/invite` there and choose Rekey. {_ELSEWHERE}",
    ),
    "is_archived": ("The channel was archived.", f"Unarchive it. {_ELSEWHERE}"),
    "is_inactive": ("The channel was archived.", f"Unarchive it. {_ELSEWHERE}"),  # as chat.update puts it
    SHARED_OUTSIDE: (
        "People of another company read this channel, or are invited to. Rekey posts nothing there.",
        f"Stop sharing it, and delete what they are not to see. {_ELSEWHERE}",
    ),
    RENAMED: ("The channel has another name now.", "There is nothing to do: Rekey knows it by its id."),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How an organization's channel stands, for whoever draws it."""

    organization: str
    channel: str
    happened: str
    """Empty: everything is well again."""
    to_do: str
    posting: bool
    """Whether Rekey goes on posting there."""


def is_about_channel(cause: str) -> bool:
    """Whether this refusal of Slack's is about the channel and not about the message."""
    return cause in _WORDS or cause.startswith("restricted_action")


def words(cause: str) -> tuple[str, str]:
    """What happened, and what to do, in sentences."""
    refused = f"Slack does not let Rekey post in this channel ({cause})."
    return _WORDS.get(cause, (refused, f"Ask an owner of the workspace to let apps post there. {_ELSEWHERE}"))


def tell(session: Session, organization: Organization, cause: str, administrators: Collection[str]) -> None:
    """Tell its administrators, once, by direct message; `administrators` are those of the settings."""
    everybody = {
        *administrators,
        *operators_with(session, Role.ADMINISTRATOR, None),
        *operators_with(session, Role.ADMINISTRATOR, organization.id),
    }
    kind = NAME_KIND if cause == RENAMED else KIND
    view = {"cause": cause, "channel": organization.channel}
    for operator in sorted(each for each in everybody if not each.startswith("cli:")):
        post(
            session,
            kind=kind,
            subject=organization.id,
            address=operator,
            organization_id=organization.id,
            view=view,
        )
    if kind == NAME_KIND:
        finish(session, kind, organization.id)


def mended(session: Session, channel: str) -> None:
    """Rekey can post there (again): what waits goes out, and who was told of the trouble is told so."""
    organization = organization_of(session, channel)
    if organization is None:
        return
    for notice in open_notices(session, KIND, organization.id):
        show(session, notice.id, {"cause": "", "channel": channel})
    finish(session, KIND, organization.id)
    try_again(session, channel)


def is_in_doubt(session: Session, notice: Notice) -> bool:
    """Whether administrators were told of trouble with the channel this goes to, and not yet that it is over."""
    return notice.organization_id is not None and bool(open_notices(session, KIND, notice.organization_id))


def moved(session: Session, notice: Notice) -> bool:
    """Whether the organization has another channel by now: then what was to go to the old one goes there."""
    organization = session.get(Organization, notice.organization_id) if notice.organization_id else None
    if organization is None or organization.channel in (None, notice.address):
        return False
    readdress(session, notice.address, str(organization.channel))
    return True


def standing(session: Session, notice: Notice) -> Standing:
    """What a notice of this kind shows."""
    organization = session.get(Organization, notice.subject)
    if organization is None:
        raise RowNotFound(f"There is no organization {notice.subject}.")
    cause = str(notice.view.get("cause", ""))
    happened, to_do = words(cause) if cause else ("", "")
    return Standing(
        organization=organization.name,
        channel=str(notice.view.get("channel") or ""),
        happened=happened,
        to_do=to_do,
        posting=cause in ("", RENAMED),
    )
