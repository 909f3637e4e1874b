"""The tour's throw-away world: the sample company set up with the real verbs, and a person's words for working it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from pydantic import SecretStr

from bot import app
from bot.audit import Verification
from bot.demo.practice_faults import Hold
from bot.demo.practice_server import PracticeServer, practice_kind
from bot.demo.sample_company import WORLD_FILE, SampleCompany
from bot.errors import RekeyError
from bot.escrow import Recovered, recover
from bot.keys import MadeKeys, keys_init
from bot.matching import review
from bot.matching.review import Outcome
from bot.matching.suggesting import candidates
from bot.permissions import cli_operator
from bot.rotation.planning import Preview, preview, request
from bot.rotation.report import RecordStatus, report
from bot.settings import Settings
from bot.vaults.csv_file import read_csv
from bot.vaults.embedded import ImportResult, import_records
from bot.world_file import plan as plans
from bot.world_file.reading import read_world
from storage.connections import connections_of
from storage.escrow import read_recovery_key
from storage.lanes import Waiting
from storage.matches import MatchRow, match_rows
from storage.models import Organization, Record, RevisionState, Task, TaskState
from storage.organizations import organizations
from storage.records import get_record, records_of
from storage.revisions import find_revisions, open_revision
from storage.rotations import approved_records, matched_accounts
from storage.tasks import request_sync


class TourWorld:
    """A Rekey of its own in one folder, and the company's domains, served to it and to whatever else it starts."""

    def __init__(self, folder: Path, company: SampleCompany) -> None:
        self.company = company
        self.domains = {"head-office": company.head_office, "branch": company.branch}
        self.server = PracticeServer(self.domains)
        self.operator = cli_operator()
        self.settings = Settings(
            _env_prefix="REKEY_TOUR_",  # the tour has nothing to do with whatever is set up here
            database_url=SecretStr(f"sqlite:///{folder / 'rekey.db'}"),
            key_file=folder / "rekey.key",
            escrow_dir=folder / "escrow",
            lease_seconds=30,
            backoff_cap_seconds=0.2,
            look_again_seconds=0.1,
        )
        self._folder = folder

    # ---- setting up ----------------------------------------------------------------------------------------------

    def makes_keys(self) -> MadeKeys:
        """`rekey keys init`, and the rest is built on those."""
        made = keys_init(self.settings.key_file, self.settings.escrow_dir)
        self.starts()
        return made

    def starts(self) -> None:
        """Open everything, as every command does."""
        self.services = app.build(self.settings, {"practice": practice_kind(self.server.socket)})

    def applies(self) -> list[str]:
        """`rekey apply`: the lines of the plan that was carried out."""
        services, file = self.services, self._folder / "bright-smile.yaml"
        file.write_text(WORLD_FILE, "utf-8")
        world = read_world(file, services.settings, services.extra_kinds)
        shown = plans.preview(services.database, services.safe.keys, world)
        plans.apply(services.database, services.safe.keys, services.trail, self.operator, world, shown)
        return shown.changes

    @property
    def organization(self) -> Organization:
        """The company's row."""
        with self.services.database.reading() as session:
            return organizations(session)[0]

    def imports(self) -> ImportResult:
        """`rekey records import`: the vault somebody kept by hand, as a CSV file."""
        services, organization, file = self.services, self.organization, self._folder / "vault.csv"
        file.write_text(self.company.records_csv, "utf-8", newline="")
        rows = read_csv(file)
        with services.database.writing() as session:
            vault = next(vault for _organization, vault in connections_of(session, "vault"))
            return import_records(session, services.safe, organization, vault, rows, self.operator.key)

    def syncs(self) -> list[tuple[str, Task]]:
        """`rekey sync`: each directory with its finished task; one after the other, so that every tour is alike.
        `RekeyError` when one could not be read.
        """
        services, done = self.services, []
        with services.database.reading() as session:
            directories = [connection for _organization, connection in connections_of(session, "directory")]
        for connection in directories:
            with services.database.writing() as session:
                task_id = request_sync(session, connection).id
            with app.scheduler(services) as scheduler:
                scheduler.run_syncs([task_id], lambda _waiting: None)
            with services.database.reading() as session:
                task = session.get_one(Task, task_id)
            if task.state != TaskState.DONE:
                raise RekeyError(f"{connection.name} could not be read: {task.reason or 'see the error above'}.")
            done.append((connection.name, task))
        return done

    # ---- matching ------------------------------------------------------------------------------------------------

    def matches(self) -> list[tuple[MatchRow, list[str]]]:
        """`rekey matches list`: every account, with the records that come close where nobody has decided."""
        with self.services.database.reading() as session:
            rows = match_rows(session)
            found = candidates(session, rows)
            return [(row, [each.name for each in found[row.match.id]]) for row in rows]

    def approves_all_exact(self) -> list[Outcome]:
        """`rekey matches approve --all-exact`."""
        organization_id = self.organization.id
        with self.services.database.writing() as session:
            return review.approve_all_exact(session, self.services.trail, self.operator, organization_id)

    def chooses(self, record: str, username: str) -> list[Outcome]:
        """`rekey matches choose`: this record for every account of that name."""
        organization_id, ids = self.organization.id, self._matches_of([username])
        with self.services.database.writing() as session:
            chosen = get_record(session, organization_id, record)
            return review.choose(session, self.services.trail, self.operator, ids, chosen.id)

    def creates_record(self, *usernames: str) -> list[Outcome]:
        """`rekey matches create-record`."""
        ids = self._matches_of(usernames)
        with self.services.database.writing() as session:
            return review.create_record(session, self.services.trail, self.operator, ids)

    def ignores(self, *usernames: str) -> list[Outcome]:
        """`rekey matches ignore`."""
        ids = self._matches_of(usernames)
        with self.services.database.writing() as session:
            return review.ignore(session, self.services.trail, self.operator, ids)

    def _matches_of(self, usernames: Collection[str]) -> list[int]:
        return [row.match.id for row, _near in self.matches() if row.account.username in usernames]

    # ---- rotating ------------------------------------------------------------------------------------------------

    def records(self, *names: str) -> list[tuple[Organization, Record]]:
        """The records of these names; without any, every record with an approved match."""
        organization = self.organization
        with self.services.database.reading() as session:
            if not names:
                return approved_records(session, organization.id)
            return [(organization, get_record(session, organization.id, name)) for name in names]

    def previews(self, *names: str) -> list[Preview]:
        """`rekey rotate --dry-run`."""
        with self.services.database.reading() as session:
            return preview(session, self.operator, self.records(*names), by_name=bool(names))

    def asks(self, *names: str) -> list[int]:
        """Only the request of `rekey rotate`: what it does before it starts to work."""
        records = self.records(*names)
        with self.services.database.writing() as session:
            planned = preview(session, self.operator, records, by_name=bool(names))
            return request(session, self.services.trail, self.operator, planned, by_name=bool(names))

    def works(self, rotations: Sequence[int], told: Callable[[Waiting], None] = lambda _waiting: None) -> None:
        """Work until these rotations have ended or wait for others."""
        with app.scheduler(self.services) as scheduler:
            scheduler.run_rotations(rotations, told)

    def rotates(self, *names: str) -> list[RecordStatus]:
        """`rekey rotate`, and how each record stands then."""
        self.works(self.asks(*names))
        return self.statuses(*names)

    def statuses(self, *names: str) -> list[RecordStatus]:
        """`rekey status`."""
        with self.services.database.reading() as session:
            return report(session, self.records(*names))

    def is_killed_while_writing(self, username: str, record: str) -> tuple[int, list[int]]:
        """Have another process rotate the record, and kill it with signal 9 inside its call to the domain; the domain
        takes the password all the same. Returns the id of that process, and the rotations it left open.
        """
        hold = Hold()
        self.company.head_office.fails("set_password", with_=hold, account=username)
        rotations = self.asks(record)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REKEY_")}
        environment |= {
            "REKEY_DATABASE_URL": self.settings.database_url.get_secret_value(),
            "REKEY_KEY_FILE": str(self.settings.key_file),
            "REKEY_LOG_LEVEL": "error",
        }
        command = [sys.executable, "-m", "bot.demo.second_process", self.server.socket]
        other = subprocess.Popen(command, env=environment)
        try:
            if not hold.reached.wait(30):
                raise RekeyError("The second process of the tour never came to write. Nothing of yours was touched.")
        finally:
            other.send_signal(signal.SIGKILL)
            other.wait()
            hold.let_go.set()
        hold.over.wait(30)
        return other.pid, rotations

    # ---- what is true --------------------------------------------------------------------------------------------

    def passwords(self) -> dict[str, SecretStr]:
        """The password the vault holds for each record, by the record's name; those without one are left out."""
        services, organization = self.services, self.organization
        with services.database.reading() as session:
            records = records_of(session, organization.id)
            currents = find_revisions(session, [record.id for record in records], RevisionState.CURRENT)
            return {
                record.name: open_revision(services.safe, organization.uid, record.uid, currents[record.id])
                for record in records
                if record.id in currents
            }

    def reveals(self, record: str) -> SecretStr:
        """`rekey reveal`: the password, once the audit line that says so is kept."""
        services, organization = self.services, self.organization
        with services.database.writing() as session:
            services.trail.append(
                session,
                event="record.revealed",
                operator=self.operator.key,
                source=self.operator.source,
                organization=organization,
                subject=record,
            )
        return self.passwords()[record]

    def verifies(self) -> Verification:
        """`rekey audit verify`."""
        with self.services.database.reading() as session:
            return self.services.trail.verify(session)

    def accounts_in_step(self) -> int:
        """How many accounts take what the vault holds for them; `RekeyError` names the first that does not."""
        passwords = self.passwords()
        with self.services.database.reading() as session:
            records = approved_records(session, self.organization.id)
            matched = matched_accounts(session, [record.id for _organization, record in records])
        count = 0
        for _organization, record in records:
            for each in matched[record.id] if record.name in passwords else ():
                domain, username = self.domains[each.connection.name], each.account.username
                if not domain.holds(username, passwords[record.name].get_secret_value()):
                    raise RekeyError(f"{domain.name}\\{username} does not take what the vault holds. That is a defect.")
                count += 1
        return count

    def loses_the_database(self) -> None:
        """Delete the database, as a dead disk does."""
        self.services.database.dispose()
        for leftover in self._folder.glob("rekey.db*"):
            leftover.unlink()

    def recovers(self) -> Recovered:
        """`rekey recover`: from the escrow file and the offline key."""
        self.starts()
        services = self.services
        key = read_recovery_key(self._folder / "recovery.key")
        return recover(services.database, services.safe, services.trail, self.operator, key)
