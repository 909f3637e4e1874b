"""What people read about rotations whose vault is an outside system, or that bring an earlier password back (pure)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from storage.models import Revision, Rotation, Task, TaskState

_OLD_ONE = "The old password may work there for up to 60 minutes; open sessions go on."


def finished(rotation: Rotation, where: str, vault: str, task: Task | None) -> str:
    """It is over, and everything holds the same password. `where` is empty when only the vault was written."""
    kept = edited_meanwhile((task.result or {}) if task is not None else {}, vault)
    name = vault if task is not None else "the vault"
    if rotation.vault_only:
        return (
            f"{name[0].upper()}{name[1:]} holds the earlier password again. No directory was touched: the accounts go "
            f"on with the password they had. {kept}"
        ).strip()
    what = "the earlier password" if rotation.restores is not None else "the new password"
    return f"{where} proved to take {what}; {name} holds it. {_OLD_ONE} {kept}".strip()


def waits_for_vault(rotation: Rotation, where: str, vault: str) -> str:
    """Every directory holds it already; the vault is next, or away."""
    if rotation.vault_only:
        return f"{vault} is being given the earlier password."
    return f"{where} proved to take the new password; {vault} does not hold it yet, but Rekey shows it until then."


def vault_holds(task: Task, vault: str) -> str:
    """What the vault holds, as far as is known, for a rotation that a person must look at."""
    if task.state == TaskState.DONE:
        return f"{vault} holds the new password."
    return f"{vault} does not hold the new password; Rekey keeps it and shows it."


def edited(at: datetime | None, vault: str) -> str:
    """The sentence of a preview, for a record that somebody edited in its vault after Rekey's last write there."""
    when = f" on {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at is not None else ""
    return (
        f"Its password was edited in {vault}{when}, after Rekey last wrote it: what is there now is kept as an earlier "
        "version, and then overwritten."
    )


def edited_meanwhile(result: Mapping[str, Any], vault: str) -> str:
    """The sentence of a card, where something of somebody else's was found in the vault and kept."""
    if not result.get("edited"):
        return ""
    return f"What somebody had edited in {vault} was kept as an earlier version: `/rotate history` shows it."


def of(revision: Revision) -> str:
    """An earlier version as people know it: by its time."""
    return f"the password of {revision.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
