"""The same world with real domain controllers for directories."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from bot.directories.active_directory import ActiveDirectory, ActiveDirectorySettings, Server
from bot.directories.base import Directory
from storage.connections import add_connections
from storage.database import Database
from storage.models import Account, Connection, Match, MatchState, Record, RevisionState
from storage.revisions import Draft, add_revisions
from tests.real.domain import Domain
from tests.rotation.world import World


@dataclass
class SambaWorld(World):
    """A world whose directories are Active Directory domains, signed in to with their delegated service account."""

    controllers: dict[str, Domain] = field(default_factory=dict)
    ports: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Where to reach a controller instead of directly: through a wire that can be cut."""

    def controller(self, name: str, domain: Domain) -> None:
        """Add a directory."""
        connection = Connection(
            organization_id=self.organization.id,
            name=name,
            name_key=name,
            side="directory",
            kind="active-directory",
            domain_names=[domain.netbios.lower(), domain.realm.lower()],
        )
        with self.database.writing() as session:
            add_connections(session, [connection])
        self.connections[name] = connection
        self.controllers[name] = domain

    def matched_accounts(self, passwords: Mapping[str, str], accounts: Mapping[str, Mapping[str, str]]) -> list[Record]:
        """One record per username, holding its password, approved for that account of each directory.

        `accounts`: directory → username → objectGUID.
        """
        records = {}
        with self.database.writing() as session:
            for name in passwords:
                records[name] = Record(
                    organization_id=self.organization.id,
                    connection_id=self.vault.id,
                    name=name,
                    name_key=name.lower(),
                    username=name,
                    username_key=name.lower(),
                )
            session.add_all(records.values())
            session.flush()
            drafts = [
                Draft(self.organization, record, SecretStr(passwords[name]), RevisionState.CURRENT, "imported", "cli:t")
                for name, record in records.items()
            ]
            add_revisions(session, self.safe, drafts)
            for directory, guids in accounts.items():
                rows = [
                    Account(
                        organization_id=self.organization.id,
                        connection_id=self.connections[directory].id,
                        object_id=guid,
                        username=name,
                        username_key=name.lower(),
                        domain=self.controllers[directory].netbios,
                    )
                    for name, guid in guids.items()
                ]
                session.add_all(rows)
                session.flush()
                session.add_all(
                    Match(
                        organization_id=self.organization.id,
                        account_id=row.id,
                        record_id=records[row.username].id,
                        state=MatchState.APPROVED,
                    )
                    for row in rows
                )
        return list(records.values())

    def open_directory(self, connection: Connection) -> Directory:
        """The real connector."""
        domain = self.controllers[connection.name]
        host, port = self.ports.get(connection.name, (domain.host, domain.port))
        settings = ActiveDirectorySettings(
            servers=(Server(host=host, port=port, tls_name=domain.tls_name),),
            ca=domain.ca_file.read_text(),
            bind_dn=domain.service_dn,
        )
        return ActiveDirectory(settings, SecretStr(domain.service_password))


def samba_world(database: Database, folder: object) -> SambaWorld:
    """An empty world; add controllers to it."""
    from pathlib import Path

    plain = World.build(database, Path(str(folder)))
    return SambaWorld(plain.database, plain.safe, plain.trail, plain.organization, plain.vault)
