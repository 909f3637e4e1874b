"""What followed a rotation: locked accounts, and wrong passwords that are still tried."""

from collections.abc import Sequence

from blocks import parts
from blocks.drawn import Drawn
from blocks.parts import Block, count
from bot.rotation.progress import Progress
from storage.aftershocks import Shock

UNLOCK = "account.unlock"

_WHAT_IS_KNOWN = (
    "Most often a service, a task or a phone keeps an earlier password. A domain controller keeps no trace of tries "
    "with the last two, so that nothing shows here is no proof. An account is watched for an hour."
)


def on_the_card(shocks: Sequence[Shock], *, more: bool) -> list[Block]:
    """These accounts, each with what is known and, while it is locked, the button that unlocks it."""
    if not shocks:
        return []
    rows = [parts.section(f"⚠️ {sentence(each)}", _unlock(each)) for each in shocks]
    others = ["There are more such accounts: `/rotate status` shows each record."] if more else []
    return [*rows, parts.context(_WHAT_IS_KNOWN, *others)]


def news(now_: Progress) -> Drawn:
    """For whoever hears of failures in that organization."""
    where = parts.escape(now_.organization.name, 100)
    locked = sum(each.aftershock.locked_at is not None for each in now_.shocks)
    head = "Locked after its rotation" if locked == 1 else "Locked after their rotation" if locked else "Still in use?"
    card = f" The card of the rotation is in <#{now_.organization.channel}>." if now_.organization.channel else ""
    blocks = [
        parts.header(head),
        parts.section(f"At *{where}*, wrong passwords are tried for what was just rotated.{card}"),
        *on_the_card(now_.shocks, more=now_.more_shocks),
    ]
    return Drawn(f"{head}: {count(len(now_.shocks), 'account')} at {where}", blocks)


def sentence(shock: Shock) -> str:
    """What is known of one account, in mrkdwn."""
    known, account = shock.aftershock, parts.account(shock.account.domain, shock.account.username)
    said = [f"*{parts.escape(shock.record.name, 150)}*: {account}"]
    if known.locked_at is not None:
        said.append(f"is locked since {parts.moment(known.locked_at)}.")
    elif known.unlocked_at is not None:
        said.append(f"was unlocked by {parts.person(known.unlock_asked_by)} {parts.moment(known.unlocked_at)}.")
    else:
        said.append("is not locked.")
    if known.bad_at is not None:
        many = f"{count(known.bad, 'wrong password')} counted, the" if known.bad else "Wrong passwords were tried, the"
        said.append(f"{many} latest {parts.moment(known.bad_at)}.")
    if known.silent:
        said.append(f"{parts.escape(', '.join(known.silent), 200)} could not be asked, and may know of more.")
    if known.unlock_asked_by and known.locked_at is not None:
        said.append(
            f"It could not be unlocked: {parts.sentence(known.unlock_reason, 300)}"
            if known.unlock_reason
            else f"{parts.person(known.unlock_asked_by)} has it unlocked."
        )
    return " ".join(said)


def _unlock(shock: Shock) -> parts.Element | None:
    known = shock.aftershock
    if known.locked_at is None or (known.unlock_asked_by and not known.unlock_reason):
        return None
    sure = parts.confirm(
        "Unlock it?",
        "The password stays the new one. What still uses an earlier one locks it again: mend that too.",
        "Unlock",
    )
    return parts.button("Unlock", UNLOCK, f"{known.id}.0", confirm=sure)
