"""The rotation world with tenants of the pretend Microsoft beside its practice domains, and the real connector."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlmodel import select

from bot.demo.graph import Application, GraphStandIn, Tenant
from bot.directories.base import Directory
from bot.directories.entra import Entra
from bot.directories.entra.pacing import Pace
from bot.directories.entra.settings import EntraCredential, EntraSettings
from storage.connections import add_connections
from storage.models import Connection, Task, TaskKind, now
from tests.rotation.world import World


@dataclass
class EntraWorld(World):
    """Everything a rotation in the cloud needs. Directories that are not tenants are practice domains."""

    ways: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Connection name → what the connector needs, as another process may be told it too."""
    tenants: dict[str, Tenant] = field(default_factory=dict)
    apps: dict[str, Application] = field(default_factory=dict)
    hurry: float = 1000.0
    """How much faster time passes for whoever waits for a write to show: nobody sleeps in these tests."""

    def tenant(self, graph: GraphStandIn, name: str, *, role: str | None = "User Administrator") -> Tenant:
        """Add a tenant in which Rekey may do all it needs; it is the test's to play with."""
        tenant = graph.tenant(f"{name}.example")
        app = graph.application(tenant)
        tenant.connects(app, role=role)
        place = {"login": graph.login, "graph": graph.graph, "ca": Path(graph.ca_file).read_text()}
        self.ways[name] = {
            "settings": {"tenant_id": tenant.id, "client_id": app.client_id, "cloud": place},
            "credential": json.dumps({"client_secret": app.secret()}),
        }
        connection = Connection(
            organization_id=self.organization.id, name=name, name_key=name, side="directory", kind="entra"
        )
        with self.database.writing() as session:
            add_connections(session, [connection])
        self.connections[name], self.tenants[name], self.apps[name] = connection, tenant, app
        return tenant

    def open_directory(self, connection: Connection) -> Directory:
        """The real connector for a tenant, the practice directory for anything else."""
        way = self.ways.get(connection.name)
        return super().open_directory(connection) if way is None else connector(way, self.hurry)

    def drains(self) -> None:
        """As the world does; and whoever waits to look again looks at once."""
        for _ in range(30):
            super().drains()
            with self.database.writing() as session:
                waiting = session.exec(select(Task).where(Task.ended_at == None, Task.due_at > now())).all()  # noqa: E711
                hurried = [task for task in waiting if task.kind == TaskKind.ROTATE]
                for task in hurried:
                    task.due_at = now()
            if not hurried:
                return

    def hastens_watches(self, time: timedelta) -> None:
        """So much time goes by for what is watched, and it is looked at again."""
        with self.database.writing() as session:
            for task in session.exec(select(Task).where(Task.kind == TaskKind.WATCH)):
                task.due_at = now()
                task.taken_at = task.taken_at - time if task.taken_at else None
        self.drains()


def connector(way: Mapping[str, Any], hurry: float, pace: type[Pace] = Pace) -> Entra:
    """The connector that this describes."""
    return Entra(
        EntraSettings.parse(way["settings"]),
        EntraCredential.parse(SecretStr(way["credential"])),
        passing=lambda: time.monotonic() * hurry,
        pace=pace,
    )
