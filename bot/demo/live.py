"""`rekey demo`: the whole bot in a browser: a pretend Slack, practice directories, a pretend Microsoft and IT Glue.

Everything between the two pretend ends is the real thing: the bot listens in Socket Mode, keeps its rows in SQLite,
seals passwords into the embedded vault, and asks for a code of an authenticator app before it shows one. It lives in a
folder of its own, listens on loopback only, and leaves nothing behind.
"""

import json
import socket
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from pydantic import SecretStr
from sqlmodel import Session

from bot import app
from bot.demo import itglue_company
from bot.demo.cloud_companies import CloudCompanies, cloud_companies
from bot.demo.graph import GraphStandIn, Tenant
from bot.demo.hash_sync import HashSync
from bot.demo.large_company import large_company
from bot.demo.live_world import ASKED, PEOPLE, WORLD_FILE
from bot.demo.practice_directory import PracticeDirectory
from bot.demo.practice_domain import PracticeDomain
from bot.demo.practice_faults import Slow
from bot.demo.sample_company import sample_company
from bot.demo.slack.server import HOST, RunningSlack
from bot.errors import RekeyError
from bot.keys import keys_init
from bot.permissions import cli_operator
from bot.scheduler import Scheduler
from bot.services import Services
from bot.settings import Settings
from bot.step_up import new_code
from bot.vaults.csv_file import read_csv
from bot.vaults.embedded import import_records
from bot.web.server import Web
from bot.web.site import site
from bot.world_file import plan as plans
from bot.world_file.reading import read_world
from storage.connections import connections_of, outside_connections
from storage.models import Connection, Organization, Task, TaskState
from storage.tasks import request_sync

SLACK_PORT, PAGES_PORT = 3900, 3901
"""Where the pages are unless somebody else is there already."""

_SECRET = "connector"  # noqa: S105 - a file's name
_APP_SECRET = "rekey-app"  # noqa: S105 - likewise
_RESET = timedelta(milliseconds=30)
"""What a reset takes, as on a real domain controller: so that there is something to watch."""
_CARRIED_EVERY = timedelta(seconds=15)
"""Entra Connect takes two minutes; nobody who watches would wait so long."""


@dataclass(frozen=True, slots=True)
class RealDirectory:
    """A real domain controller for the head office instead of the practice one: what a world file says of it."""

    entry: Mapping[str, object]
    """The entry's keys but its name and `bind_password`."""
    password: SecretStr = field(repr=False)


class LiveDemo:
    """The demo while it is open; a context manager. Where a port is taken, any free one is used instead."""

    def __init__(self, head_office: RealDirectory | None = None) -> None:
        self._head_office = head_office
        self._opened = ExitStack()
        company, harbor = sample_company(), large_company()
        self.finch = itglue_company.itglue_company()
        self.domains: dict[str, PracticeDomain] = {
            "head-office": company.head_office,
            "branch": company.branch,
            "harbor": harbor.domain,
            itglue_company.DIRECTORY: self.finch.domain,
        }
        """The practice domains by the names of their connections."""
        for domain in self.domains.values():
            domain.fails("set_password", with_=Slow(_RESET), times=None)
        self.graph = GraphStandIn()
        self.graph.faults.latency = _RESET
        self.clouds: CloudCompanies = cloud_companies(self.graph)
        self.domains["cedar"] = self.clouds.clinic
        self.records = {"Bright Smile Dental": company.records_csv, "Harbor Foods": harbor.records_csv}
        self.records |= {"Northwind MSP": self.clouds.northwind_csv, "Cedar Clinic": self.clouds.cedar_csv}
        self.codes: dict[str, SecretStr] = {}
        """The one-time enrolment code of each administrator and technician, by name."""

    @property
    def url(self) -> str:
        """Where the pretend Slack's page is."""
        return self.slack.url

    @property
    def pages(self) -> str:
        """Where Rekey's own pages are."""
        return self.services.settings.pages_url

    def __enter__(self) -> Self:
        with self._opened as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="rekey-demo-")))
            self.slack = opened.enter_context(RunningSlack(_manifest(), port=free_port(SLACK_PORT)))
            opened.enter_context(self.finch.server)
            ids = self.slack.call(self._fill_workspace)
            opened.enter_context(self.graph)
            self.hash_sync = opened.enter_context(HashSync(self.clouds.clinic, self.clouds.cedar, every=_CARRIED_EVERY))
            self.services = self._build(folder, ids)
            opened.callback(self.services.database.dispose)
            self._bring_in(folder, ids)
            opened.enter_context(Web(site(self.services), self.services.settings.http_port))
            self._reads_directories(opened.enter_context(app.scheduler(self.services, keeps_rules=True)))
            line = app.line_to_slack(self.services)
            if line is not None:
                opened.enter_context(line)
            for channel, text in ASKED.items():
                self.slack.wait_for(self.slack.interactions.types(ids["bob"], ids[channel], text))
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def signs_in(self, directory: str, username: str, password: str) -> bool:
        """Whether somebody signs in to a practice domain with this, really trying."""
        return self.domains[directory].signs_in(username, password)

    # ---- setting up ----------------------------------------------------------------------------------------------

    def _fill_workspace(self) -> dict[str, str]:
        """Everybody and the channels; ids by name. Runs in the pretend Slack's own thread."""
        workspace, ids = self.slack.slack.workspace, {}
        workspace.name = "Northwind MSP"
        for each in PEOPLE:
            person = workspace.add_person(
                each.name,
                each.real_name,
                email=f"{each.name}@northwind.example",
                tz=each.timezone,
                is_guest=each.guest,
            )
            ids[each.name] = person.id
        bot = self.slack.app.bot_user_id
        everybody = [ids[each.name] for each in PEOPLE if not each.guest]
        for name, members, topic in (
            ("bright-smile", [*everybody, ids["gus"], bot], "Bright Smile Dental: two sites"),
            ("harbor-foods", [*everybody, bot], "Harbor Foods: 180 employees"),
            ("northwind", [*everybody, bot], "Northwind MSP's own tenant: Microsoft 365"),
            ("cedar-clinic", [*everybody, bot], "Cedar Clinic: a domain and Microsoft 365, synchronized"),
            ("finch-legal", [*everybody, bot], "Finch Legal: their passwords are in IT Glue"),
            ("general", everybody, "Northwind MSP"),
        ):
            ids[f"#{name}"] = workspace.add_channel(name, members, topic=topic).id
        return ids

    def _build(self, folder: Path, ids: Mapping[str, str]) -> Services:
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o700)
        settings = Settings(
            _env_prefix="REKEY_DEMO_",  # the demo has nothing to do with whatever is set up here
            database_url=SecretStr(f"sqlite:///{folder / 'rekey.db'}"),
            key_file=folder / "rekey.key",
            escrow_dir=folder / "escrow",
            secrets_dir=secrets,
            administrators=(ids["alice"], ids["bob"]),
            extra_hosts=(self.graph.graph.removeprefix("https://"), self.finch.server.place),
            http_port=free_port(PAGES_PORT),
            backoff_cap_seconds=5,
            look_again_seconds=0.25,
            slack_bot_token=SecretStr(self.slack.app.bot_token),
            slack_app_token=SecretStr(self.slack.app.app_token),
            slack_signing_secret=SecretStr(self.slack.app.signing_secret),
            slack_api_url=self.slack.api_url,
        )
        made = keys_init(settings.key_file, settings.escrow_dir)
        if made.recovery_key is not None:
            safe = folder / "a safe"  # where everybody else carries it
            safe.mkdir(mode=0o700)
            made.recovery_key.rename(safe / made.recovery_key.name)
        return app.build(settings, {"practice": lambda connection: PracticeDirectory(self.domains[connection.name])})

    def _bring_in(self, folder: Path, ids: Mapping[str, str]) -> None:
        """`rekey apply`, `rekey records import` and `rekey operators enrol`."""
        services, file = self.services, folder / "world.yaml"
        _reference(services.settings, itglue_company.KEY_FILE, self.finch.key.get_secret_value())
        file.write_text(
            WORLD_FILE.format(
                bright=ids["#bright-smile"],
                harbor=ids["#harbor-foods"],
                northwind=ids["#northwind"],
                cedar=ids["#cedar-clinic"],
                tina=ids["tina"],
                vic=ids["vic"],
                head_office=self._entry(services.settings),
                northwind_entra=self._cloud_entry("northwind-entra", self.clouds.northwind, services.settings),
                cedar_entra=self._cloud_entry("cedar-entra", self.clouds.cedar, services.settings),
                finch=self.finch.entry(ids["#finch-legal"], ids["tina"]),
            ),
            "utf-8",
        )
        world = read_world(file, services.settings, services.extra_kinds)
        shown = plans.preview(services.database, services.safe.keys, world)
        plans.apply(services.database, services.safe.keys, services.trail, cli_operator(), world, shown)
        with services.database.writing() as session:
            for organization, vault in connections_of(session, "vault"):
                if organization.name in self.records:
                    self._import(session, folder, organization, vault)
            for each in PEOPLE:
                if each.role in ("administrator", "technician"):
                    self.codes[each.name], _until = new_code(session, services.trail, cli_operator(), ids[each.name])

    def _entry(self, settings: Settings) -> str:
        """The head office's directory in the world file."""
        real = self._head_office
        if real is None:
            return "{name: head-office, kind: practice}"
        password = _reference(settings, _SECRET, real.password.get_secret_value())
        entry = {"name": "head-office", **real.entry, "bind_password": password}
        return json.dumps(entry)  # which is YAML, too

    def _cloud_entry(self, name: str, tenant: Tenant, settings: Settings) -> str:
        """A tenant in the world file."""
        cloud = {"login": self.graph.login, "graph": self.graph.graph, "ca_file": self.graph.ca_file}
        app_id, secret = self.clouds.application.client_id, _reference(settings, _APP_SECRET, self.clouds.secret)
        return json.dumps(
            {
                "name": name,
                "kind": "entra",
                "tenant_id": tenant.id,
                "client_id": app_id,
                "client_secret": secret,
                "rotation": True,
                "cloud": cloud,
            }
        )

    def _import(self, session: Session, folder: Path, organization: Organization, vault: Connection) -> None:
        file = folder / f"{vault.name}.csv"
        file.write_text(self.records[organization.name], "utf-8", newline="")
        try:
            rows = read_csv(file)
        finally:
            file.unlink()
        import_records(session, self.services.safe, organization, vault, rows, cli_operator().key)

    def _reads_directories(self, scheduler: Scheduler) -> None:
        """`rekey sync`; `RekeyError` when one could not be read."""
        services = self.services
        with services.database.writing() as session:
            asked = [request_sync(session, each).id for _, each in outside_connections(session)]
        scheduler.run_syncs(asked, lambda _waiting: None)
        with services.database.reading() as session:
            for task in (session.get_one(Task, task_id) for task_id in asked):
                if task.state != TaskState.DONE:
                    raise RekeyError(f"A directory of the demo could not be read: {task.reason}")


def free_port(wanted: int) -> int:
    """This port where nobody listens there, else any that is free right now, on loopback."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RekeyError(f"No port is free on {HOST}.")


def _reference(settings: Settings, name: str, secret: str) -> str:
    """A secret as a world file may name it: in a file of its own, where such files lie."""
    if settings.secrets_dir is None:
        raise RekeyError("The demo has no folder for secrets.")
    file = settings.secrets_dir / name
    file.touch(mode=0o600)
    file.write_text(secret, "utf-8")
    return f"file:{name}"


def _manifest() -> Any:
    return yaml.safe_load(files("bot.demo").joinpath("app_manifest.yaml").read_text("utf-8"))
