"""A company whose vault is IT Glue: a practice directory, the pretend IT Glue, and the whole of Rekey between them."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import sleep

from pydantic import SecretStr
from sqlmodel import select

from bot.app import build
from bot.demo.itglue.account import Password
from bot.demo.itglue.server import RunningITGlue
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.keys import keys_init
from bot.matching.review import approve_all_exact
from bot.permissions import cli_operator
from bot.rotation.planning import preview, request
from bot.rotation.report import RecordStatus, report
from bot.services import Services
from bot.settings import Settings
from bot.world_file import plan as plans
from bot.world_file.reading import read_world
from storage.connections import connections_of
from storage.lanes import due_lanes, retry_now
from storage.models import Connection, Lane, Organization, Record, RevisionState, Task, now
from storage.organizations import organizations
from storage.records import get_record, records_of
from storage.revisions import find_revision, open_revision
from storage.rotations import open_rotations
from storage.tasks import request_sync
from tests.contracts.vaults import API_KEY

_WORLD = """\
organizations:
  - name: Acme Dental
    bulk: [person]
    directories: [{{name: acme-ad, kind: practice}}]
    vault:
      name: acme-itglue
      kind: itglue
      base_url: {url}
      api_key: file:itglue-key
      organization: Acme Dental
      share: 1
"""
OLD = "0ld-Pass-of-a-Test!"


@dataclass
class Company:
    """Everything, and a person's words for it."""

    services: Services
    domain: PracticeDomain
    server: RunningITGlue
    home: Organization

    def vault(self) -> Connection:
        """The connection to IT Glue, as it is now."""
        return self._connection("vault")

    def _connection(self, side: str) -> Connection:
        with self.services.database.reading() as session:
            return next(each for _, each in connections_of(session) if each.side == side)

    def employs(self, *usernames: str, password: str = OLD, **record: object) -> dict[str, Password]:
        """Accounts in the directory, each with its record in IT Glue; the records by username."""
        there = next(iter(self.server.account.organizations.values()))
        for username in usernames:
            self.domain.person(username, password)
        add = self.server.account.add
        return {each: add(there, f"{each}'s sign-in", password, username=each, **record) for each in usernames}

    def syncs(self) -> list[Task]:
        """Everything is read anew; the tasks as they ended."""
        with self.services.database.writing() as session:
            tasks = [request_sync(session, each).id for _, each in connections_of(session)]
        self.drains()
        with self.services.database.reading() as session:
            return [session.get_one(Task, each) for each in tasks]

    def approves(self) -> int:
        """Approves everything that is exact; how many that were."""
        services = self.services
        with services.database.writing() as session:
            return sum(each.done for each in approve_all_exact(session, services.trail, cli_operator(), self.home.id))

    def record(self, name: str) -> Record:
        """The record with this name."""
        with self.services.database.reading() as session:
            return get_record(session, self.home.id, name)

    def records(self) -> dict[str, Record]:
        """All records that are not archived, by name."""
        with self.services.database.reading() as session:
            return {each.name: each for each in records_of(session, self.home.id)}

    def asks(self, *records: Record) -> list[int]:
        """Asks for rotations, as a person does; their ids."""
        services = self.services
        with services.database.writing() as session:
            home = session.get_one(Organization, self.home.id)
            plan = preview(session, cli_operator(), [(home, record) for record in records], by_name=True)
            return request(session, services.trail, cli_operator(), plan, by_name=True)

    def drains(self) -> None:
        """Drains every due lane until nothing is due."""
        lanes = self.services.lanes()
        for _ in range(60):
            with self.services.database.reading() as session:
                due = due_lanes(session, now())
            if not due:
                return
            for connection_id in due:
                lanes.drain(connection_id)
        raise AssertionError("the lanes never come to rest")

    def looks_again(self) -> None:
        """Every lane is looked at again now, whatever it waits for; tasks that wait are due."""
        with self.services.database.writing() as session:
            retry_now(session, list(session.exec(select(Lane.connection_id)).all()))
            for task in session.exec(select(Task)).all():
                if task.ended_at is None:
                    task.due_at = now()
        self.drains()

    def rotates(self, *records: Record) -> list[RecordStatus]:
        """Asks, and goes on until every rotation has ended."""
        self.asks(*records)
        for _ in range(40):
            self.looks_again()
            with self.services.database.reading() as session:
                if not open_rotations(session, [record.id for record in records]):
                    return report(session, [(self.home, record) for record in records])
            sleep(0.01)
        raise AssertionError("the rotations never end")

    def current(self, record: Record) -> str | None:
        """What Rekey says the record's password is."""
        with self.services.database.reading() as session:
            revision = find_revision(session, record.id, RevisionState.CURRENT)
            if revision is None:
                return None
            secret: SecretStr = open_revision(self.services.safe, self.home.uid, record.uid, revision)
            return secret.get_secret_value()

    def agrees_on(self, username: str, there: Password) -> str:
        """Directory, IT Glue and Rekey hold one and the same password; which it is."""
        password = self.current(self.record(there.name))
        assert password is not None
        assert self.server.account.holds(there) == password
        assert self.domain.holds(username, password)
        return password


def found(folder: Path, server: RunningITGlue) -> Company:
    """A company in this folder; nobody works there yet."""
    server.account.key(API_KEY)
    server.account.organization("Acme Dental")
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "itglue-key").write_text(API_KEY)
    settings = Settings(
        key_file=folder / "rekey.key",
        database_url=SecretStr(f"sqlite:///{folder / 'rekey.db'}"),
        secrets_dir=secrets,
        extra_hosts=(server.place,),
        backoff_cap_seconds=timedelta(seconds=0.05).total_seconds(),
    )
    keys_init(settings.key_file, settings.escrow_dir)
    domain = PracticeDomain()
    services = build(settings, {"practice": lambda _connection: PracticeDirectory(domain)})
    file = folder / "world.yaml"
    file.write_text(_WORLD.format(url=server.url))
    world = read_world(file, settings, services.extra_kinds)
    shown = plans.preview(services.database, services.safe.keys, world)
    plans.apply(services.database, services.safe.keys, services.trail, cli_operator(), world, shown)
    with services.database.reading() as session:
        home = organizations(session)[0]
    return Company(services, domain, server, home)
