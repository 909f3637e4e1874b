"""Rules as people read them: what one demands, when it rotates, the list of them, and deleting one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk.models.blocks import ExternalDataSelectElement, PlainTextObject

from blocks import ids, parts
from blocks.parts import Block, count, escape
from storage.models import Rule

NEW, EDIT, ASK_DELETE, DELETE = "rule.new", "rule.edit", "rule.ask_delete", "rule.delete"
TURN = "rules.turn"
TITLE = "Rules"
ROWS = 10

_DAYS = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
    "sun": "Sunday",
}  # fmt: skip
_WHOM = {
    "person": "people", "shared": "shared accounts", "service": "services", "privileged": "privileged accounts",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ruled:
    """A rule, and whose it is."""

    rule: Rule
    organization_id: int
    """0: it is the one for everybody."""
    name: str
    covers: int = 0
    """Organizations under the rule for everybody; records under an organization's."""
    may_edit: bool = True


def rules(
    everybody: Ruled,
    own: Sequence[Ruled],
    memo: Mapping[str, object],
    *,
    page: int = 1,
    here: tuple[int, str] | None = None,
    told: str = "",
) -> dict[str, Any]:
    """The window with the rule for everybody and those of organizations. `here`: the organization it is asked in, when
    that has no rule of its own.
    """
    page, pages, first = parts.page_of(len(own), ROWS, page)
    blocks: list[Block] = [parts.section(told)] if told else []
    blocks += [
        parts.header("The rule for everybody"),
        parts.section(
            f"{in_words(everybody.rule)}\n_Holds for {count(everybody.covers, 'organization')}._",
            parts.button("Edit", f"{EDIT}:0", ids.value(0)) if everybody.may_edit else None,
        ),
    ]
    if here is not None:
        name = escape(here[1], 150)
        blocks.append(parts.section(f"*{name}* has no rule of its own, so this one holds here as a whole."))
    else:
        blocks.append(parts.header("Organizations with a rule of their own"))
    if not own and here is None:
        blocks.append(parts.section("There are none. A rule of its own overrides the one for everybody as a whole."))
    for each in own[first : first + ROWS]:
        value = ids.value(each.organization_id, each.rule.version)
        blocks.append(
            parts.section(f"*{escape(each.name, 150)}*  ·  {count(each.covers, 'record')}\n{in_words(each.rule)}")
        )
        if each.may_edit:
            blocks.append(
                parts.actions(
                    parts.button("Edit", f"{EDIT}:{each.organization_id}", value),
                    parts.button("Delete…", f"{ASK_DELETE}:{each.organization_id}", value),
                )
            )
    blocks += parts.paging(TURN, page, pages)
    if here is not None:
        organization_id, name = here
        text = f"Give {parts.clean(name, 40)} a rule of its own"
        blocks.append(parts.actions(parts.button(text, f"{NEW}:here", ids.value(organization_id), style="primary")))
    elif memo.get("organization") is None:
        menu = ExternalDataSelectElement(
            action_id=NEW,
            placeholder=PlainTextObject(text="Give an organization a rule of its own"),
            min_query_length=0,
        ).to_dict()
        blocks.append(parts.actions(menu, block_id=NEW))
    return parts.modal(TITLE, blocks, memo={**memo, "page": page})


def deletion(ruled: Ruled, everybody: Rule, memo: Mapping[str, object], told: str = "") -> dict[str, Any]:
    """What deleting an organization's rule would do, before it is done."""
    name = escape(ruled.name, 150)
    blocks = [parts.section(told)] if told else []
    blocks += [
        parts.section(
            f"*{name}* goes back under the rule for everybody, with {count(ruled.covers, 'record')}. Nothing is "
            "rotated by that, and no password changes."
        ),
        parts.section(f"*It loses*\n{in_words(ruled.rule)}"),
        parts.section(f"*It gets*\n{in_words(everybody)}"),
    ]
    return parts.modal("Delete the rule?", blocks, callback_id=DELETE, submit="Delete it", close="Keep it", memo=memo)


def in_words(rule: Rule) -> str:
    """A rule in a few lines of mrkdwn."""
    off = [] if rule.enabled else ["⛔ *Switched off:* nothing is rotated under it."]
    return "\n".join([*off, f"🔑 {password_in_words(rule)}", f"🗓️ {schedule_in_words(rule)}"])


def password_in_words(rule: Rule) -> str:
    """What it demands of a password."""
    demanded = [
        words
        for is_demanded, words in (
            (rule.uppercase, "upper case"),
            (rule.lowercase, "lower case"),
            (rule.number, "a number"),
            (rule.symbol, "a symbol"),
        )
        if is_demanded
    ]
    said = f"{rule.length} characters or more"
    said = f"Passphrases of {rule.words} words or more, {said}" if rule.words is not None else said
    if demanded:
        said += f", with {', '.join(demanded)}"
    if rule.symbols is not None:
        said += f"; of symbols only `{escape(rule.symbols, 60)}`" if rule.symbols else "; no symbols"
    return said + ("; no look-alikes" if rule.unambiguous else "")


def schedule_in_words(rule: Rule) -> str:
    """When it rotates by itself, and what."""
    if not rule.scheduled:
        return "Rotates nothing by itself"
    if rule.every_days is not None:
        when = "every day" if rule.every_days == 1 else f"every {rule.every_days} days"
    elif rule.month_day is not None:
        when = f"on day {rule.month_day} of each month"
    else:
        when = f"every {', '.join(_DAYS[day] for day in rule.weekdays)}"
    whom = ", ".join(_WHOM[tier] for tier in rule.tiers)
    said = f"{whom[:1].upper()}{whom[1:]} {when}, from {rule.at} local time"
    if rule.windows:
        said += f", within {escape('; '.join(rule.windows), 300)}"
    if rule.blackouts:
        said += f", not on {escape(', '.join(rule.blackouts), 300)}"
    said += "; spread over the window" if rule.spread else "; all at once"
    notice = f"; told {count(rule.notice_hours, 'hour')} before" if rule.notice_hours else "; no notice before"
    return said + notice
