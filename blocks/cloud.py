"""What people are told when a cloud directory does not take passwords over from Active Directory."""

from blocks import ids, parts
from blocks.drawn import Drawn
from blocks.parts import count, escape
from blocks.records import named
from bot.rotation.pending import CloudPending


def not_followed(pending: CloudPending) -> Drawn:
    """One card for a directory, however many accounts: what happened, what is true now, what to do."""
    many = count(pending.many, "account")
    name = escape(pending.directory, 100)
    head = f"{name} has not taken over the new password of {many}"
    text = (
        f"⚠️ *{head}* for a day: {named(pending.names, pending.many)}.\n"
        "Active Directory and the vault hold the new one; in the cloud the old one may still hold. Nothing was reset "
        "again, and nothing has to be. Look whether password hash synchronization runs in Microsoft Entra Connect: "
        "once it does, the cloud follows by itself."
    )
    doctor = parts.button("Doctor", ids.word("doctor"), ids.value(pending.organization_id))
    return Drawn(head, [parts.section(text), parts.actions(doctor)])
