"""What changes, in the words of a plan: `length 20 → 24, symbol yes → no`."""

from collections.abc import Mapping
from typing import Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Everything that is not the same in both, in the order of the first."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return ", ".join(f"{name} {shown(name, before.get(name))} → {shown(name, after.get(name))}" for name in names)


def shown(name: str, value: Any) -> str:
    """One value, in a few words."""
    if value is None or value == []:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "tenant_id":
        return f"tenant {value}"
    if isinstance(value, dict):
        return " ".join(f"{key} {shown(key, each)}" for key, each in value.items())
    if name in ("ca", "certificate"):
        return f"certificate of {len(value)} characters"
    if name == "servers":
        return " ".join(f"{server['host']}:{server['port']}" for server in value)
    if name in ("windows", "blackouts", "unscheduled"):
        return "; ".join(value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
