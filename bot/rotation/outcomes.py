"""What people read about how a rotation ended, and about what directories and vaults hold (pure)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from storage.models import Revision, Rotation, Task, TaskState

_OLD_ONE = "The old password may work there for up to 60 minutes"


def finished(rotation: Rotation, where: str, vault: str, task: Task | None, *, signed_out: bool = False) -> str:
    """It is over, and everything holds the same password. `where` is empty when only the vault was written."""
    kept = edited_meanwhile((task.result or {}) if task is not None else {}, vault)
    name = vault if task is not None else "the vault"
    if rotation.vault_only:
        return (
            f"{name[0].upper()}{name[1:]} holds the earlier password again. No directory was touched: the accounts go "
            f"on with the password they had. {kept}"
        ).strip()
    what = "the earlier password" if rotation.restores is not None else "the new password"
    sessions = "." if signed_out else "; open sessions go on."
    return f"{where} proved to take {what}; {name} holds it. {_OLD_ONE}{sessions} {kept}".strip()


def waits_for_vault(rotation: Rotation, where: str, vault: str) -> str:
    """Every directory holds it already; the vault is next, or away."""
    if rotation.vault_only:
        return f"{vault} is being given the earlier password."
    return f"{where} proved to take the new password; {vault} does not hold it yet, but Rekey shows it until then."


def directory_holds(task: Task, where: str) -> str:
    """What a directory holds, as far as is known, for a rotation that a person must look at."""
    match task.state:
        case TaskState.CONFIRMED:
            return f"{where} holds the new password."
        case TaskState.PUT_BACK:
            return f"{where} holds the earlier password again."
        case TaskState.UNKNOWN:
            return f"What {where} holds must be looked at; every password it may have taken can be revealed."
        case _ if task.taken_at is not None:
            return f"{where} took the new password."
        case _:
            return f"{where} still holds what it held before."


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


def joined(names: Sequence[str]) -> str:
    """Each of these names once, as a sentence lists them; empty for none."""
    unique = list(dict.fromkeys(names))
    return f"{', '.join(unique[:-1])} and {unique[-1]}" if len(unique) > 1 else "".join(unique)
