"""An office to work in: a pretend Slack with its people, Rekey connected to it, two customers with their directories.

    office.alice.types("/rotate", in_="#acme")
    office.alice.sees("Acme Dental", in_="#acme").press("Review matches")

Acme Dental, in #acme, has everything still to be matched (`office.approve_all` does it); Globex, in #globex, is done.

    alice, bob     administrators everywhere        tina     technician of Acme Dental, and of it alone
    vic            viewer of Acme Dental            gus      a guest whom somebody made technician
    dora           administrator, deactivated       sid      nobody: no role
"""

import copy
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr
from slack_bolt import App, BoltRequest, BoltResponse
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient
from sqlmodel import select

from bot import app as composition
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain, PracticePolicy
from bot.demo.slack.driver import Driver, Member
from bot.demo.slack.server import RunningSlack
from bot.discovery import sync
from bot.keys import keys_init
from bot.matching import review
from bot.organizations import bring_in
from bot.permissions import Operator, cli_operator
from bot.scheduler import Scheduler
from bot.services import Services
from bot.settings import Settings
from bot.vaults.csv_file import read_csv
from bot.vaults.embedded import import_records
from storage.connections import add_connections, connections_of
from storage.grants import set_operators
from storage.matches import match_rows
from storage.models import AuditEvent, Connection, Organization, Role

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "app_manifest.yaml").read_text("utf-8"))
HTTP_MANIFEST = {**MANIFEST, "settings": {**MANIFEST["settings"], "socket_mode_enabled": False}}
"""The same app without Socket Mode: Slack calls it."""
PEOPLE = ("alice", "bob", "tina", "vic", "sid", "gus", "dora")

_PATIENCE_SECONDS = 20.0  # only a failing test waits so long, and the machine may be busy

closing: list[threading.Thread] = []
"""Socket Mode clients that were told to close; they take three seconds to notice."""


@dataclass
class Office:
    """One pretend Slack and one Rekey, wired together. Every member is an attribute: `office.alice`."""

    running: RunningSlack
    driver: Driver
    services: Services
    app: App
    folder: Path
    domains: Mapping[str, PracticeDomain]
    """By the name of the directory: `acme-ad`, `globex-ad`."""
    passwords: list[str] = field(default_factory=list, repr=False)
    """Every password somebody has in the beginning."""

    def member(self, name: str) -> Member:
        """One of the people, as the driver moves them."""
        return self.driver.member(name)

    @property
    def alice(self) -> Member:
        """An administrator."""
        return self.member("alice")

    @property
    def bob(self) -> Member:
        """A second administrator."""
        return self.member("bob")

    @property
    def tina(self) -> Member:
        """A technician of Acme Dental."""
        return self.member("tina")

    @property
    def vic(self) -> Member:
        """A viewer of Acme Dental."""
        return self.member("vic")

    @property
    def sid(self) -> Member:
        """Somebody without a role."""
        return self.member("sid")

    @property
    def gus(self) -> Member:
        """A guest whom somebody gave a role all the same."""
        return self.member("gus")

    # ---- what Rekey knows ----------------------------------------------------------------------------------------

    def organization(self, name: str) -> Organization:
        """`acme` or `globex`."""
        with self.services.database.reading() as session:
            found = session.exec(select(Organization)).all()
        return next(each for each in found if each.name_key.startswith(name))

    def match_id(self, username: str) -> int:
        """The match of this account."""
        with self.services.database.reading() as session:
            return next(row.match.id for row in match_rows(session) if row.account.username == username)

    def approve(self, *usernames: str) -> None:
        """Approve what is suggested for these accounts, as on the command line."""
        with self.services.database.writing() as session:
            review.approve(session, self.services.trail, cli_operator(), [self.match_id(each) for each in usernames])

    def approve_all(self, organization: str) -> None:
        """Approve everything exact of one organization, as on the command line."""
        with self.services.database.writing() as session:
            review.approve_all_exact(session, self.services.trail, cli_operator(), self.organization(organization).id)

    def audit(self, event: str | None = None, result: str | None = None) -> list[AuditEvent]:
        """The lines of the audit trail, oldest first."""
        with self.services.database.reading() as session:
            lines = session.exec(select(AuditEvent).order_by(AuditEvent.id)).all()  # type: ignore[arg-type]
        return [
            each
            for each in lines
            if (event is None or each.event == event) and (result is None or each.result == result)
        ]

    def operator(self, name: str, roles: Mapping[int | None, Role] | None = None) -> Operator:
        """One of the people as an operator with these roles, by default administrator everywhere."""
        return Operator(self.member(name).id, "Slack", roles or {None: Role.ADMINISTRATOR})

    # ---- what went over the wire ---------------------------------------------------------------------------------

    def last(self, name: str) -> dict[str, Any]:
        """The last delivery of this name (`block_actions`, `view_submission`, `/rotate` …) as Slack sent it: a copy to
        forge with, its tokens gone.
        """
        traffic = self.running.slack.traffic  # which knows of a delivery once it was answered
        self.alice.until(lambda: True if traffic.named(name) else None, f"{name} delivered")
        return copy.deepcopy(self.running.call(lambda: traffic.named(name)[-1].sent))

    def deliver(self, body: Mapping[str, Any]) -> BoltResponse:
        """Hand Rekey a delivery that no person of the pretend Slack could have caused: forged, replayed, late."""
        return self.app.dispatch(BoltRequest(body=dict(body), mode="socket_mode"))

    def everything_slack_saw(self) -> str:
        """All that was exchanged with the pretend Slack, as JSON."""
        exchanges = self.running.call(lambda: [vars(each) for each in self.running.slack.traffic.exchanges])
        return json.dumps(exchanges, default=str, ensure_ascii=False)

    def call(self, change: Callable[[], Any]) -> Any:
        """Do something in the pretend Slack's own thread: `office.call(lambda: office.running.slack.archive(…))`."""
        return self.running.call(change)

    # ---- work ----------------------------------------------------------------------------------------------------

    @contextmanager
    def at_work(self) -> Iterator[Scheduler]:
        """The lanes run, and notices go out."""
        with composition.scheduler(self.services) as scheduler:
            yield scheduler


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def open_office(
    folder: Path, *, connected: bool = True, manifest: Mapping[str, Any] = MANIFEST, **settings: Any
) -> Iterator[Office]:
    """An office in this folder; `settings` are Rekey's own. Without `connected` nothing listens by Socket Mode."""
    with RunningSlack(manifest) as running:
        people = running.call(lambda: _people(running))
        services, domains, passwords = _rekey(folder, running, people, settings)
        app = composition.slack_app(services)
        office = Office(running, Driver(running, patience=_PATIENCE_SECONDS), services, app, folder, domains, passwords)
        try:
            if connected:
                with _socket_mode(office):
                    yield office
            else:
                yield office
        finally:
            app.listener_runner.listener_executor.shutdown(wait=True)
            services.database.dispose()


@contextmanager
def _socket_mode(office: Office) -> Iterator[None]:
    running = office.running
    handler = SocketModeHandler(
        office.app, running.app.app_token, web_client=WebClient(base_url=running.api_url), ping_interval=1
    )
    handler.connect()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        thread = threading.Thread(target=handler.close, daemon=True)
        thread.start()
        closing.append(thread)


def _people(running: RunningSlack) -> dict[str, str]:
    """Everybody and both channels; ids by name."""
    workspace = running.slack.workspace
    ids: dict[str, str] = {}
    for name in PEOPLE:
        details = {"is_guest": name == "gus", "tz": "Europe/Berlin" if name == "bob" else "Europe/London"}
        person = workspace.add_person(name, name.capitalize(), email=f"{name}@msp.test", **details)
        ids[name] = person.id
    everybody = [*ids.values(), running.app.bot_user_id]
    for channel in ("acme", "globex", "general"):
        ids[f"#{channel}"] = workspace.add_channel(channel, everybody).id
    workspace.people[ids["dora"]].deleted = True
    return ids


def _rekey(
    folder: Path, running: RunningSlack, ids: Mapping[str, str], settings: Mapping[str, Any]
) -> tuple[Services, dict[str, PracticeDomain], list[str]]:
    wanted: dict[str, Any] = {
        "database_url": SecretStr(f"sqlite:///{folder / 'rekey.db'}"),
        "key_file": folder / "rekey.key",
        "escrow_dir": folder / "escrow",
        "backoff_cap_seconds": 0.2,
        "look_again_seconds": 0.1,
        "slack_bot_token": SecretStr(running.app.bot_token),
        "slack_app_token": SecretStr(running.app.app_token),
        "slack_signing_secret": SecretStr(running.app.signing_secret),
        "slack_api_url": running.api_url,
        **settings,
    }
    chosen = Settings(_env_prefix="REKEY_OFFICE_", **wanted)
    keys_init(chosen.key_file, chosen.escrow_dir)
    domains = {"acme-ad": PracticeDomain("ACME", "acme.test", policy=PracticePolicy(length=12))}
    domains["globex-ad"] = PracticeDomain("GLOBEX", "globex.test", policy=PracticePolicy(length=12))
    services = composition.build(chosen, {"practice": lambda connection: PracticeDirectory(domains[connection.name])})
    passwords = _customer(services, domains["acme-ad"], "Acme Dental", "acme-ad", ids["#acme"], _ACME)
    passwords += _customer(services, domains["globex-ad"], "Globex", "globex-ad", ids["#globex"], _GLOBEX)
    with services.database.writing() as session:
        rows = {each.name: each for each in session.exec(select(Organization))}
        acme, globex = rows["Acme Dental"].id, rows["Globex"].id
        set_operators(session, Role.ADMINISTRATOR, None, [ids["alice"], ids["bob"], ids["dora"]])
        set_operators(session, Role.TECHNICIAN, acme, [ids["tina"], ids["gus"]])
        set_operators(session, Role.VIEWER, acme, [ids["vic"]])
        review.approve_all_exact(session, services.trail, cli_operator(), globex)
    return services, domains, passwords


Person = tuple[str, str, Mapping[str, Any], Sequence[str]]
"""Username, display name, details of the account, and the usernames their records go by."""

_ACME: tuple[Person, ...] = (
    ("alice.obrien", "Alice O'Brien", {"ou": "Staff/Front Desk"}, ["alice.obrien"]),
    ("j.müller", "Jürgen Müller", {"ou": "Staff/Hygiene"}, ["ACME\\j.müller"]),
    ("priya.patel", "Priya Patel", {"ou": "Staff/Dentists"}, ["priya.patel@acme.test"]),
    ("tom.baker", "Tom Baker", {"ou": "IT", "groups": ("Domain Admins",)}, ["tom.baker"]),
    ("svc-backup", "Nightly backup", {"ou": "Services", "spns": ("backup/nas",)}, ["svc-backup"]),
    ("sam.okafor", "Sam Okafor", {"ou": "Staff"}, ["sam.okafor", "sam.okafor"]),
    ("maria.rossi", "Maria Rossi", {"ou": "Staff"}, []),
    ("lee.aver", "Lee Aver", {"ou": "Leavers", "enabled": False}, []),
)
_GLOBEX: tuple[Person, ...] = (
    ("hank.scorpio", "Hank Scorpio", {"ou": "Staff"}, ["hank.scorpio"]),
    ("mona.s", "Mona Simpson", {"ou": "Staff"}, ["mona.s"]),
)


def _customer(
    services: Services, domain: PracticeDomain, name: str, directory: str, channel: str, people: Sequence[Person]
) -> list[str]:
    """An organization with its directory read and its embedded vault filled; every password in it."""
    lines, passwords = ["name,username,password,url,notes"], []
    for number, (username, display_name, details, records) in enumerate(people):
        password = f"Old-{domain.name}-{number:02}-Pa55!"
        passwords.append(password)
        domain.person(username, password, display_name=display_name, **details)
        for copies, record in enumerate(records):
            lines.append(f'"{display_name}{" (copy)" * copies}","{record}","{password}",,')
    file = services.settings.key_file.parent / f"{directory}.csv"
    file.write_text("\n".join(lines) + "\n", "utf-8")
    with services.database.writing() as session:
        organization = bring_in(
            session, name, channel=channel, timezone="Europe/London", bulk=["person", "shared", "privileged"]
        )
        connections = [("vault", "embedded"), ("directory", "practice")]
        add_connections(session, [_connection(organization, directory, *each) for each in connections])
        vault = next(each for _, each in connections_of(session, "vault", [organization.id]))
        import_records(session, services.safe, organization, vault, read_csv(file), cli_operator().key)
        reading = next(each for _, each in connections_of(session, "directory", [organization.id]))
    sync(services.database, services.trail, reading.id, PracticeDirectory(domain))
    return passwords


def _connection(organization: Organization, directory: str, side: str, kind: str) -> Connection:
    name = directory if side == "directory" else "vault"
    return Connection(organization_id=organization.id, name=name, name_key=name, side=side, kind=kind)
