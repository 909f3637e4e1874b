"""My Settings: who hears of what, by message or e-mail, and when the digest comes."""

from collections.abc import Mapping
from typing import Any

from slack_sdk.models.blocks import ExternalDataSelectElement, Option, PlainTextObject, StaticSelectElement

from blocks import ids, parts
from blocks.parts import Block, Element
from bot.overview import Told, Wishes
from storage.models import Tell, Way

WISH = "wish.keep"
WISH_ADD = "wish.add"
WISH_DROP = "wish.drop"
DIGEST = "digest.choose"
TURN = "settings.turn"

ROWS = 8
TITLE = "My settings"

_WAYS = {
    Way.MESSAGE: "By direct message",
    Way.EMAIL: "By e-mail",
    Way.BOTH: "By message and e-mail",
    Way.NONE: "Not at all",
}
_TELLS = {Tell.ALL: "Every result", Tell.FAILURES: "Failures only"}
_SHORT = {Way.MESSAGE: "by direct message", Way.EMAIL: "by e-mail", Way.BOTH: "by direct message and by e-mail"}


def in_short(wishes: Wishes) -> list[str]:
    """The settings as sentences, for Home."""
    lines = [f"What I ask for: *{_said(wishes.own)}*"]
    if len(wishes.organizations) > 3:
        lines.append(f"Set apart: *{parts.count(len(wishes.organizations), 'organization')}*")
    else:
        lines += [
            f"{parts.escape(name, 100)}, whoever asked: *{_said(told)}*" for _, name, told in wishes.organizations
        ]
    day = "never" if wishes.digest_by is Way.NONE else f"at {wishes.digest_hour:02}:00, {_SHORT[wishes.digest_by]}"
    lines.append(f"Daily digest of what needs somebody: *{day}*")
    return lines


def modal(
    wishes: Wishes, memo: Mapping[str, object], *, offers_email: bool, email: str | None, page: int = 1
) -> dict[str, Any]:
    """The window; everything in it is kept as soon as it is chosen.

    `offers_email`: Rekey has a mail server. `email` is the address Slack shows; None when it shows none.
    """
    page, pages, first = parts.page_of(len(wishes.organizations), ROWS, page)
    blocks: list[Block] = [
        parts.header("Results of what I ask for"),
        _row(0, wishes.own, offers_email=offers_email),
        parts.header("Single organizations"),
        parts.section(
            "Every result there, whoever asked for it or by the schedule; or less than elsewhere.",
            _organizations(),
            block_id=WISH_ADD,
        ),
    ]
    for organization_id, name, told in wishes.organizations[first : first + ROWS]:
        drop = parts.button("As elsewhere", WISH_DROP, ids.value(organization_id))
        blocks.append(parts.section(f"*{parts.escape(name, 150)}*", drop))
        blocks.append(_row(organization_id, told, offers_email=offers_email))
    blocks += parts.paging(TURN, page, pages)
    zone = f" Your day is that of {parts.escape(wishes.timezone, 60)}, as Slack says." if wishes.timezone else ""
    blocks += [
        parts.header("Daily digest"),
        parts.section(
            "Once a day: what failed, is stuck or stands still in all my organizations, grouped by cause. Nothing "
            f"comes when all is well.{zone}",
        ),
        parts.actions(
            _ways(f"{DIGEST}:way", wishes.digest_by, offers_email=offers_email),
            _menu(
                f"{DIGEST}:hour",
                {str(hour): f"At {hour:02}:00" for hour in range(24)},
                str(wishes.digest_hour),
            ),
            block_id="digest",
        ),
        parts.context(_about_email(offers_email=offers_email, email=email), "What you choose is kept at once."),
    ]
    return parts.modal(TITLE, blocks, memo={**memo, "page": page}, close="Done")


def chosen(name: str, value: str | None) -> dict[str, Any]:
    """What one menu of this window says, by what it is about (`way`, `tell`, `hour`): raises ValueError for anything
    Rekey does not offer.
    """
    match name.rpartition(":")[2]:
        case "way":
            return {"way": Way(value or "")}
        case "tell":
            return {"tell": Tell(value or "")}
        case _:
            return {"hour": int(value or "")}


def _row(organization_id: int, told: Told, *, offers_email: bool) -> Block:
    menus = [_ways(f"{WISH}:{organization_id}:way", told.way, offers_email=offers_email)]
    if told.way is not Way.NONE:
        menus.append(
            _menu(
                f"{WISH}:{organization_id}:tell", {each.value: said for each, said in _TELLS.items()}, told.tell.value
            )
        )
    return parts.actions(*menus, block_id=f"wish:{organization_id}:{told.way}")


def _ways(action_id: str, way: Way, *, offers_email: bool) -> Element:
    offered = {each.value: said for each, said in _WAYS.items() if offers_email or each in (Way.MESSAGE, Way.NONE, way)}
    return _menu(action_id, offered, way.value)


def _menu(action_id: str, choices: Mapping[str, str], chosen_one: str) -> Element:
    options = {value: Option(value=value, label=parts.clean(said, 75)) for value, said in choices.items()}
    menu = StaticSelectElement(
        action_id=action_id, options=list(options.values()), initial_option=options[chosen_one], placeholder="Choose"
    )
    return menu.to_dict()


def _organizations() -> Element:
    return ExternalDataSelectElement(
        action_id=WISH_ADD, placeholder=PlainTextObject(text="Add an organization"), min_query_length=0
    ).to_dict()


def _said(told: Told) -> str:
    if told.way is Way.NONE:
        return "nothing"
    return f"{_TELLS[told.tell].lower()}, {_SHORT[told.way]}"


def _about_email(*, offers_email: bool, email: str | None) -> str:
    if not offers_email:
        return "Rekey has no mail server yet, so it offers no e-mail. Whoever runs it sets REKEY_SMTP_HOST."
    if email is None:
        return "Slack shows Rekey no e-mail address of yours, so e-mail would not reach you."
    return f"E-mail goes to the address in your Slack profile: `{parts.escape(email, 150)}`. Never a password in it."
