"""The composition root: builds everything once and wires it; lower floors get what they must not import."""

from collections.abc import Mapping
from functools import partial

from bot.audit import Trail
from bot.connections import DirectoryFactory, open_directory
from bot.errors import SchemaProblem
from bot.scheduler import Scheduler
from bot.services import Services
from bot.settings import Settings
from storage.database import Database
from storage.escrow import Escrow
from storage.facts import check_fingerprint, known_fingerprints
from storage.revisions import Safe
from storage.sealing import KeyRing


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
        open_directory=partial(open_directory, keys=keys, networks=settings.directory_networks, extra_kinds=kinds),
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


def scheduler(services: Services) -> Scheduler:
    """The clock and the threads that run the lanes, not started yet."""
    return Scheduler(
        services.lanes(), pool_size=services.settings.pool_size, tick_seconds=services.settings.look_again_seconds
    )
