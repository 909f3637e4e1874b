"""What is rotated while somebody pulls the plug: a few records in two real domains, as a child process can open it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import select

from bot.audit import Trail
from storage.connections import get_connection
from storage.database import Database
from storage.escrow import Escrow
from storage.models import Connection, Organization
from storage.revisions import Safe
from storage.sealing import KeyRing
from tests.real.domain import Domain
from tests.rotation.samba_world import SambaWorld


@dataclass
class Scene:
    """A world, and the records to rotate in it."""

    world: SambaWorld
    record_ids: list[int]


def described(world: SambaWorld, url: str, folder: Path, record_ids: list[int]) -> dict[str, Any]:
    """Everything a child process needs to open the same scene; no password in it."""
    return {
        "url": url,
        "folder": str(folder),
        "organization": world.organization.id,
        "vault": world.vault.id,
        "records": record_ids,
        "controllers": {
            name: {"folder": str(domain.folder), "realm": domain.realm, "host": domain.host}
            for name, domain in world.controllers.items()
        },
    }


def open_scene(spec: dict[str, Any]) -> Scene:
    """The described scene, opened by this process."""
    from tests.real import samba

    folder = Path(spec["folder"])
    database = Database(spec["url"])
    keys = KeyRing.load(folder / "key")
    with database.reading() as session:
        organization = session.get_one(Organization, spec["organization"])
        world = SambaWorld(
            database,
            Safe(keys, Escrow(folder / "escrow")),
            Trail(keys, folder / "escrow"),
            organization,
            get_connection(session, spec["vault"]),
        )
        for connection in session.exec(select(Connection).where(Connection.side == "directory")):
            place = spec["controllers"][connection.name]
            realm = next(realm for realm in samba.REALMS if realm.name == place["realm"])
            world.connections[connection.name] = connection
            world.controllers[connection.name] = Domain(Path(place["folder"]), realm, place["host"])
    return Scene(world, spec["records"])
