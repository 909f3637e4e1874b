"""The process that is killed while it rotates in a tenant, and in Active Directory and a tenant at once.

The domain and the tenant live on in the process that started it. Boundaries are those of `tests.crash.child`; inside a
call to the tenant is where a request is out and its reply not read yet.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3.connection
from sqlmodel import select

from bot.audit import Trail
from bot.demo.practice_server import RemotePracticeDirectory, practice_kind
from bot.directories.base import Directory
from bot.directories.entra import Entra
from bot.scheduler import Scheduler
from storage.connections import get_connection
from storage.database import Database
from storage.escrow import Escrow
from storage.models import Connection, Organization, Record
from storage.revisions import Safe
from storage.sealing import KeyRing
from tests.crash.child import Trap, before_commits
from tests.rotation.entra_world import EntraWorld


@dataclass
class Apart(EntraWorld):
    """The world as another process has it: the practice domains are behind a socket."""

    socket: str = ""

    def open_directory(self, connection: Connection) -> Directory:
        """See `World.open_directory`."""
        if connection.name in self.ways:
            return super().open_directory(connection)
        return practice_kind(self.socket)(connection)


def described(world: EntraWorld, url: str, folder: Path, socket: str, record_ids: list[int]) -> str:
    """Everything a child process needs to open the same world."""
    return json.dumps(
        {
            "url": url,
            "folder": str(folder),
            "organization": world.organization.id,
            "vault": world.vault.id,
            "records": record_ids,
            "ways": world.ways,
            "socket": socket,
        }
    )


def run(text: str, target: str | None, log: str | None) -> None:
    """Ask for the rotations of these records and run them until they have ended, unless killed before."""
    spec = json.loads(text)
    world = _open(spec)
    trap = Trap(target, Path(log) if log else None)
    for owner, method in (
        (Entra, "set_passwords"),
        (Entra, "confirm_all"),
        (RemotePracticeDirectory, "set_password"),
        (RemotePracticeDirectory, "confirm"),
    ):
        trap.around(owner, method, f"{owner.__name__}.{method}")
    _inside_calls(trap)
    trap.around(Escrow, "append", "escrow")
    before_commits(world.database, trap)
    with world.database.reading() as session:
        records = [session.get_one(Record, record_id) for record_id in spec["records"]]
    rotations = world.asks(*records)
    with Scheduler(world.lanes(), pool_size=4, tick_seconds=0.1) as scheduler:
        scheduler.run_rotations(rotations, lambda _waiting: None)


def _inside_calls(trap: Trap) -> None:
    owner = urllib3.connection.HTTPConnection
    original: Callable[..., Any] = owner.getresponse
    reading = threading.Lock()

    def trapped(connection: Any, *arguments: Any, **options: Any) -> Any:
        name = trap.calling()
        if name is not None:
            with reading:
                trap.reached(f"inside {name}")
        return original(connection, *arguments, **options)

    setattr(owner, "getresponse", trapped)  # noqa: B010 - a method of a library, replaced in this process only


def _open(spec: dict[str, Any]) -> Apart:
    folder = Path(spec["folder"])
    database = Database(spec["url"])
    keys = KeyRing.load(folder / "key")
    with database.reading() as session:
        world = Apart(
            database,
            Safe(keys, Escrow(folder / "escrow")),
            Trail(keys, folder / "escrow"),
            session.get_one(Organization, spec["organization"]),
            get_connection(session, spec["vault"]),
        )
        for connection in session.exec(select(Connection).where(Connection.side == "directory")):
            world.connections[connection.name] = connection
    world.ways, world.socket = spec["ways"], spec["socket"]
    return world
