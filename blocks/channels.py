"""What administrators are told about an organization's channel."""

from blocks.drawn import Drawn
from blocks.parts import escape, section
from bot.channels import Standing


def channel_notice(standing: Standing) -> Drawn:
    """A direct message: what happened to the channel, what is true now, what to do."""
    where = f"<#{standing.channel}>, the channel of {escape(standing.organization)}"
    title = f"The channel of {escape(standing.organization)}"
    if not standing.happened:
        return Drawn(f"{title}: Rekey can post there again.", [section(f"✅ Rekey can post in {where}, again.")])
    if standing.posting:
        return Drawn(f"{title}: {standing.happened}", [section(f"{where}: {standing.happened} {standing.to_do}")])
    text = (
        f"⚠️ *Rekey cannot post in {where}.* {standing.happened}\n"
        "Nothing is lost: its cards and results are kept, and go out once this is mended. Rotations go on meanwhile.\n"
        f"{standing.to_do}"
    )
    return Drawn(f"{title}: {standing.happened}", [section(text)])
