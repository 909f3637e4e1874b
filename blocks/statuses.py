"""What a status means: for `/rotate help STATUS`."""

from blocks import parts
from blocks.parts import Block
from blocks.records import MARKS
from bot.statuses import Meaning


def meaning(found: Meaning) -> tuple[str, list[Block]]:
    """One status: what it says, what brings it about, and what mends that; the text and the blocks."""
    head = f"{MARKS[found.status]} *{found.status}*"
    blocks = [parts.section(f"{head}\n{found.says}")]
    blocks += [parts.section(f"• {cause.what}\n_{cause.mend}_") for cause in found.causes]
    return f"{found.status}: {found.says}", blocks
