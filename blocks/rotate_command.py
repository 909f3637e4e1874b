"""What /rotate itself says: its words, and the question which organization is meant."""

from collections.abc import Sequence

from slack_sdk.models.blocks import ExternalDataSelectElement, PlainTextObject

from blocks import ids, parts
from blocks.parts import Block


def which_organization(word: str, rest: str) -> list[Block]:
    """A menu of all organizations, searched by typing; it does what `/rotate word rest` does there."""
    menu = ExternalDataSelectElement(
        action_id=ids.word(word), placeholder=PlainTextObject(text="Choose an organization"), min_query_length=0
    )
    typed = f"/rotate {word} {rest}".strip()
    asks = parts.section(f"`{parts.escape(typed, 230)}` is about one organization. Which one?")
    return [asks, parts.actions(menu.to_dict(), block_id=f"{ids.word(word)} {rest}".strip())]


def words_card(words: Sequence[tuple[str, str]]) -> tuple[str, list[Block]]:
    """Everything somebody can type, each with what it does: the text and the blocks."""
    lines = [f"`{typed}`  {does}" for typed, does in words]
    about = parts.context(
        "In an organization's channel, everything is about that organization. Anywhere else you are asked which one. "
        "Slack never gets to see a password: it is read in the vault, or once on Rekey's own page."
    )
    return "What Rekey does", [parts.header("What Rekey does"), parts.section("\n".join(lines)), about]
