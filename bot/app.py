"""The composition root: builds everything once and wires it; lower floors get what they must not import."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

from slack_bolt import App
from slack_sdk import WebClient
from sqlmodel import Session

import handlers
from bot import credential_ends, digest, discovery, stuck
from bot.audit import Trail
from bot.connections import DirectoryFactory, connect, open_directory, open_vault
from bot.errors import BadInput, SchemaProblem
from bot.http_mode import SLACK_PATH, HttpMode
from bot.mail import Mail
from bot.notices import Notices
from bot.rotation import requests, watching
from bot.rotation.announcing import Announcer
from bot.rotation.scheduled import keep_time
from bot.scheduler import Scheduler
from bot.services import Services
from bot.settings import Settings
from bot.slack import Slack
from bot.socket_mode import SocketMode
from bot.web.server import Web
from bot.web.site import site
from handlers.people import People
from storage.database import Database
from storage.escrow import Escrow
from storage.facts import check_fingerprint, known_fingerprints
from storage.interactions import forget_interactions
from storage.models import now
from storage.results import end_the_rest
from storage.revisions import Safe
from storage.sealing import KeyRing

_SLACK_SECONDS = 10
_LISTENERS = 20
"""Listeners at once: each holds a thread until it has answered, and Slack waits three seconds only."""


_REPEATS = timedelta(days=1)
"""Longer than Slack delivers anything again: for so long, what was taken up is remembered."""


def build(settings: Settings, extra_kinds: Mapping[str, DirectoryFactory] | None = None) -> Services:
    """Everything, checked: the key is there and is this database's, the schema is this program's (or brought up to it).

    Raises `KeyProblem`, `SchemaProblem`, `BadInput` or `StorageError`; nothing was changed then.
    """
    keys = load_keys(settings)
    database = open_database(settings)
    with database.reading() as session:
        known = known_fingerprints(session)
    if known != {key_id: keys.fingerprint(key_id) for key_id in keys.key_ids}:
        with database.writing() as session:
            check_fingerprint(session, keys)
    kinds = dict(extra_kinds or {})
    return Services(
        settings=settings,
        database=database,
        safe=Safe(keys, Escrow(settings.escrow_dir)),
        trail=Trail(keys, settings.escrow_dir),
        open_directory=partial(
            open_directory,
            keys=keys,
            networks=settings.directory_networks,
            extra_kinds=kinds,
            extra_hosts=settings.extra_hosts,
            database=database,
        ),
        connect=partial(
            connect, networks=settings.directory_networks, extra_kinds=kinds, extra_hosts=settings.extra_hosts
        ),
        open_vault=partial(open_vault, keys=keys, extra_hosts=settings.extra_hosts),
        extra_kinds=kinds,
    )


def load_keys(settings: Settings) -> KeyRing:
    """The key ring; `KeyProblem` says how to make one where there is none."""
    if settings.master_key is not None:
        return KeyRing.parse(settings.master_key.get_secret_value())
    return KeyRing.load(settings.key_file)


def open_database(settings: Settings) -> Database:
    """The database, at this program's schema. `SchemaProblem` when it is newer: then it was left alone."""
    database = Database(settings.database_url.get_secret_value())
    try:
        database.check_schema()  # most starts find it so, and then wait for nobody who is writing
    except SchemaProblem:
        database.migrate()
    return database


def scheduler(services: Services, *, keeps_rules: bool = False) -> Scheduler:
    """The clock, the threads that run the lanes, and the one that empties the outbox; not started yet. With
    `keeps_rules` what falls due by a schedule is taken up: a server does that, a command that ends again does not.
    """
    settings = services.settings
    return Scheduler(
        services.lanes(),
        pool_size=settings.pool_size,
        tick_seconds=settings.look_again_seconds,
        notices=notices(services) if settings.slack_bot_token is not None else None,
        mail=mail(services) if settings.slack_bot_token is not None and settings.smtp_host is not None else None,
        chores=partial(_chores, services),
        rules=_rules(services) if keeps_rules else None,
    )


def _rules(services: Services) -> Callable[[datetime], None]:
    """What falls due is taken up, what will is told beforehand, and whoever wants it is told of each day."""
    announcer = Announcer(services.database, services.settings)

    def keep(at: datetime) -> None:
        keep_time(services.database, services.trail, at)
        announcer(at)
        digest.tell(services.database, services.settings, at)

    return keep


def notices(services: Services) -> Notices:
    """What empties the outbox."""
    settings = services.settings
    return Notices(
        services.database,
        Slack(slack_client(settings)),
        handlers.draws(services),
        administrators=settings.administrators,
        lease=timedelta(seconds=settings.lease_seconds),
        longest_pause=timedelta(seconds=settings.backoff_cap_seconds),
    )


def mail(services: Services) -> Mail:
    """What sends the letters of those who want e-mail."""
    settings = services.settings
    return Mail(
        services.database,
        settings,
        Slack(slack_client(settings)),
        handlers.writes(services),
        administrators=settings.administrators,
    )


def _chores(services: Services, session: Session) -> None:
    requests.look_after(session, services.trail, services.settings, now())
    watching.look_after(session, services.safe, services.trail, now())
    stuck.look_after(session, services.settings, now())
    end_the_rest(session)
    discovery.look_after(session, now())
    credential_ends.look_after(session, services.trail, services.settings.administrators, now())
    forget_interactions(session, now() - _REPEATS)


def slack_client(settings: Settings) -> WebClient:
    """The Web API with the app's bot token. Nothing is tried again by itself."""
    if settings.slack_bot_token is None:
        raise BadInput("SLACK_BOT_TOKEN is not set, so there is no Slack. Set it to the app's bot token (xoxb-…).")
    token = settings.slack_bot_token.get_secret_value()
    return WebClient(token, base_url=settings.slack_api_url, timeout=_SLACK_SECONDS, retry_handlers=[])


def slack_app(services: Services) -> App:
    """The Bolt app with every listener, for Socket Mode or behind HTTP, where Bolt checks the signature and its age.

    Asks Slack who it is; raises as `bot.slack.Slack` does when the token does not hold or Slack is away.
    """
    settings, client = services.settings, slack_client(services.settings)
    people = People(client, *Slack(client).myself())
    secret = settings.slack_signing_secret
    app = App(
        client=client,
        signing_secret=secret.get_secret_value() if secret else "",
        token_verification_enabled=False,  # done below, with a sentence for people
        listener_executor=ThreadPoolExecutor(_LISTENERS, thread_name_prefix="listener"),
    )
    handlers.register(app, services, people)
    return app


def line_to_slack(services: Services) -> SocketMode | HttpMode | None:
    """How Slack reaches Rekey, not opened yet: Socket Mode with an app-level token, HTTP mode with a signing secret.
    None without a bot token; `BadInput` when there is neither of the other two.
    """
    settings, make = services.settings, partial(slack_app, services)
    if settings.slack_bot_token is None:
        return None
    if settings.slack_app_token is not None:
        return SocketMode(settings, make)
    if settings.slack_signing_secret is not None:
        return HttpMode(make)
    raise BadInput(
        "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP mode): Slack "
        "has no way to reach Rekey. Nothing was started. Set one of them; Socket Mode needs no address of its own."
    )


def web(services: Services, line: SocketMode | HttpMode) -> Web:
    """Rekey's own pages, and in HTTP mode what Slack calls; not listening yet."""
    called = {SLACK_PATH: line.endpoint} if isinstance(line, HttpMode) else {}
    return Web(site(services, called), services.settings.http_port)
