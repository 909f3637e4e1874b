"""Writing the world file back: what `rekey apply` would find nothing to do with. References, never secrets."""

from typing import Any

import yaml
from sqlmodel import Session

from bot.connections import settings_of
from bot.switches import switch_of
from bot.world_file import vaults
from bot.world_file.kinds import CREDENTIALS, references
from bot.world_file.rules import exported
from storage.connections import connections_of
from storage.grants import operators_with
from storage.models import Connection, Organization, Role, Rule
from storage.organizations import organizations
from storage.records import get_records
from storage.rules import GLOBAL, rules_by_scope
from storage.schedules import excluded_records
from storage.switches import off_everywhere


class _Block(str):
    """Text that stands as a block of lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Blocks as `|`, and lists set in under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style="|")
)


def export_world(session: Session) -> dict[str, Any]:
    """Everything a world file can say, as plain values. CAs stand in it; credentials only by where they came from."""
    everybody = organizations(session)
    rules = rules_by_scope(session, [organization.uid for organization in everybody])
    connections: dict[int, list[Connection]] = {}
    for organization, connection in connections_of(session):
        connections.setdefault(organization.id, []).append(connection)
    return {
        "administrators": operators_with(session, Role.ADMINISTRATOR, None),
        **({} if off_everywhere(session) is None else {"rotation": False}),
        "rule": exported(rules[GLOBAL]),
        "organizations": [
            _organization(session, organization, rules.get(organization.uid), connections.get(organization.id, []))
            for organization in everybody
        ],
    }


def written(world: dict[str, Any]) -> str:
    """The YAML text of an exported world."""
    return yaml.dump(_with_blocks(world), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def _organization(
    session: Session, organization: Organization, rule: Rule | None, connections: list[Connection]
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": organization.name,
        "channel": organization.channel,
        "timezone": organization.timezone,
        "technicians": operators_with(session, Role.TECHNICIAN, organization.id) or None,
        "viewers": operators_with(session, Role.VIEWER, organization.id) or None,
        "bulk": organization.bulk,
        "tiers": organization.marks or None,
        "rule": exported(rule) if rule is not None else None,
        "unscheduled": [record.name for record in excluded_records(session, organization.id)] or None,
        "directories": [
            _directory(session, connection) for connection in connections if connection.side == "directory"
        ],
    }
    for connection in connections:
        if connection.side == "vault":
            entry["vault"] = vaults.exported(connection)
    return {name: value for name, value in entry.items() if value is not None}


def _directory(session: Session, connection: Connection) -> dict[str, Any]:
    record = get_records(session, [connection.own_record_id or 0]).get(connection.own_record_id or 0)
    own = {"own_record": record.name} if record is not None else {}
    settings = {name: value for name, value in settings_of(connection).items() if value is not None}
    switch = {switch_of(connection.kind).field: False} if connection.off_at and connection.kind in CREDENTIALS else {}
    pointing = references(connection.kind, connection.credential_reference)
    return {"name": connection.name, "kind": connection.kind, **settings, **pointing, **own, **switch}


def _with_blocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_blocks(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_blocks(inner) for inner in value]
    return _Block(value) if isinstance(value, str) and "\n" in value else value
