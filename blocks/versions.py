"""The versions of a record's password: which there are, who made each and why, and bringing an earlier one back."""

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.models.blocks import InputBlock, PlainTextObject, RadioButtonsElement

from blocks import ids, parts
from blocks.parts import Block, escape
from bot.rotation.requests import Draft
from storage.models import Organization, Record, Revision, RevisionState
from storage.revisions import FROM_VAULT

BRING_BACK = "version.choose"
"""The button at a version that opens the question where it is to be brought back."""
CHOSEN = "version.restore"
"""The form that answers it."""
TITLE = "Bring back a password"
WHERE = "where"
VAULT_ONLY, EVERYWHERE = "vault", "everywhere"

_STATES: Mapping[str, str] = {
    RevisionState.PENDING: "🔄 *Being written*",
    RevisionState.CURRENT: "✅ *Holds now*",
    RevisionState.PREVIOUS: "*The one before*",
    RevisionState.OLD: "*Earlier*",
    RevisionState.DISCARDED: "*Refused by a directory*",
}
_ORIGINS: Mapping[str, str] = {
    "generated": "made by a rotation",
    "imported": "imported from a file",
    "recovered": "brought back from the escrow file",
    "restored": "an earlier one, brought back",
    FROM_VAULT: "found in the vault, and kept before it was overwritten",
}


def rows(revisions: Sequence[Revision], newest: int, *, may_restore: bool) -> list[Block]:
    """One block for each version, newest first: how it stands, when, why and by whom; with a button where it may be
    brought back. `newest` is the number of the first one: the oldest version of a record is its first.
    """
    return [_row(each, newest - index, may_restore=may_restore) for index, each in enumerate(revisions)]


def _row(each: Revision, number: int, *, may_restore: bool) -> Block:
    why = _ORIGINS.get(each.origin, escape(each.origin, 40))
    by = f" by {parts.person(each.created_by)}" if each.created_by not in ("", "rekey") else ""
    proved = "\nProved to sign in" if each.proved_at else ""
    recorded = "; the vault was proved to hold it" if each.recorded_at else ""
    stands = _STATES.get(each.state, each.state)
    text = f"{number} · {stands} · {parts.moment(each.created_at)}\n{why[0].upper()}{why[1:]}{by}.{proved}{recorded}"
    if each.state == RevisionState.PENDING or not may_restore:
        return parts.section(text)
    return parts.section(text, parts.button(f"Bring back version {number}", BRING_BACK, ids.value(each.id)))


def where(
    record: Record, organization: Organization, revision: Revision, vault: str, memo: Mapping[str, object]
) -> dict[str, Any]:
    """Where is it to be brought back: in the vault alone, or everywhere? Each says what it does to the directory."""
    options = [
        parts.option("Everywhere", EVERYWHERE, "The accounts get it too, and it is proved, as in a rotation"),
        parts.option("In the vault only", VAULT_ONLY, "The directory does not change: people sign in as now"),
    ]
    choice = RadioButtonsElement(action_id=WHERE, options=options)
    return parts.modal(
        TITLE,
        [
            parts.section(
                f"*{escape(record.name, 150)}* in {escape(organization.name, 100)}\nThe password of "
                f"{parts.moment(revision.created_at)}: where is it to hold again?"
            ),
            InputBlock(block_id=WHERE, label=PlainTextObject(text="Bring it back"), element=choice).to_dict(),
            parts.context(
                f"*In the vault only* is for setting {escape(vault, 100)} right when it shows something else than the "
                "directory takes. Rekey keeps what it holds now. Nothing is done yet: what would happen is shown next."
            ),
        ],
        callback_id=CHOSEN,
        submit="Go on",
        close="Not now",
        memo=memo,
    )


def preview(draft: Draft, memo: Mapping[str, object], callback_id: str, *, said: str = "") -> dict[str, Any]:
    """What bringing it back would do, and the button that does it, where it may be done."""
    [each] = draft.previews
    going = bool(draft.going)
    blocks: list[Block] = [parts.section(f":warning: {parts.sentence(said, 1000)}")] if said else []
    head = f"*{escape(each.record.name, 150)}* in {escape(draft.organization.name, 100)}"
    blocks.append(parts.section(f"{head}\n{'' if going else '⛔ '}{parts.sentence(each.reason, 1500)}"))
    if each.vault_only and going:
        blocks.append(parts.section(":information_source: *The directory does not change.*"))
    if draft.takes_two and going:
        blocks.append(
            parts.section(
                ":key: *A second administrator must agree*: this record belongs to a privileged or break-glass "
                "account, or to nobody known. The others are asked, for an hour; nothing is done before one agrees."
            )
        )
    return parts.modal(
        TITLE,
        blocks,
        callback_id=callback_id,
        submit="Bring it back" if going else None,
        close="Not now" if going else "Close",
        memo=memo,
    )
