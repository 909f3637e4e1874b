"""Being shown a password: the link to Rekey's own page, or why there is none yet. Never a password."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from blocks import ids, parts
from blocks.parts import Block, escape
from bot.reveal import MANY, Asked, Elsewhere
from storage.models import Approval, Record

_CHOICES = 20


@dataclass(frozen=True, slots=True)
class NotEnrolled:
    """The step-up is on and this person has no authenticator yet."""

    operator: str
    page: str
    """Where they set it up."""


def link(asked: Asked, address: SecretStr, missing: NotEnrolled | None) -> tuple[str, list[Block]]:
    """The one-time link, for whoever asked alone. Its secret part leads to a page that asks for their authenticator."""
    record = asked.record
    text = f"The password of *{escape(record.name, 150)}*, once, on Rekey's own page."
    expires = f" until {parts.moment(asked.link.expires_at)}" if asked.link else ""
    blocks = [parts.section(text)]
    if missing is not None:
        blocks.append(not_enrolled(missing))
    blocks += [
        parts.actions(parts.link("Open the page", address.get_secret_value(), "reveal")),
        parts.context(
            f"The link works once{expires}, for you alone: have your authenticator app at hand. Slack never gets to "
            "see the password."
        ),
    ]
    return text, blocks


def not_enrolled(missing: NotEnrolled) -> Block:
    """What to do before the page shows anything."""
    return parts.section(
        ":warning: You have no authenticator set up with Rekey yet, and without its code the page shows nothing. Ask "
        f"an administrator for an enrolment code (`rekey operators enrol {escape(missing.operator, 40)}`) and type it "
        f"at {parts.sentence(missing.page)}."
    )


def waits(record: Record, approval: Approval) -> tuple[str, list[Block]]:
    """A second administrator was asked; there is no link before they agree."""
    why = (
        "You were shown as many passwords in this hour as one person may be."
        if approval.what == MANY
        else "Its account is privileged or break-glass, or nobody approved whose it is."
    )
    text = (
        f"*{escape(record.name, 150)}* takes a second person. {why} The other administrators were asked, and you hear "
        f"from Rekey as soon as one agrees. It is over {parts.moment(approval.expires_at)}."
    )
    return text, [parts.section(text)]


def elsewhere(asked: Asked, there: Elsewhere) -> tuple[str, list[Block]]:
    """It is read in its vault, by the record's own page there."""
    text = (
        f"*{escape(there.vault, 100)}* holds the password of *{escape(asked.record.name, 150)}*: read it there, with "
        "your own access. Rekey shows one only until its vault has it, and for a few days after."
    )
    open_there = [parts.actions(parts.link("Open it there", there.page, "vault"))] if there.page else []
    return text, [parts.section(text), *open_there]


def choices(typed: str, records: Sequence[Record], more: bool) -> tuple[str, list[Block]]:
    """Several records fit what was typed: which is meant?"""
    text = f"More than one record fits “{escape(typed, 60)}”. Whose password?"
    blocks = [parts.section(text)]
    for record in records[:_CHOICES]:
        username = f"\n`{escape(record.username, 150)}`" if record.username else ""
        name = parts.clean(record.name, 60)
        show = parts.button(f"Show {name}", ids.word("show"), ids.value(record.organization_id))
        block_id = f"{ids.word('show')} {record.id}"
        blocks.append(parts.section(f"*{escape(record.name, 150)}*{username}", show, block_id=block_id))
    if more:
        blocks.append(parts.context("And more. Type more of the name to narrow it down."))
    return text, blocks
