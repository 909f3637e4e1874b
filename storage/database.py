"""One database, SQLite or PostgreSQL, with the same promise on both: one writing transaction at a time.

`writing()` is serial on every database (`BEGIN IMMEDIATE` on SQLite, a transaction-long advisory lock on PostgreSQL),
so code that reads, decides and writes inside it needs no other lock, and the audit chain has one order. Keep it short:
no outside call, no waiting inside. `reading()` sees one consistent snapshot and never blocks a writer.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlmodel import Session, create_engine

from bot.errors import BadInput, SchemaProblem, StorageError

_WRITER_LOCK = 7_065_107  # any constant will do: every Rekey writing transaction takes this advisory lock
_BUSY_TIMEOUT_MS = 30_000


def parse_url(url: str) -> URL:
    """Rekey's database URL as SQLAlchemy wants it; `BadInput` for anything but sqlite:/// and postgresql://."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInput(
            "REKEY_DATABASE_URL is not a database URL. Write sqlite:///rekey.db or postgresql://…"
        ) from error
    if parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    raise BadInput(
        f"REKEY_DATABASE_URL names {parsed.drivername!r}. Rekey keeps its data in a SQLite file (sqlite:///rekey.db) "
        "or in PostgreSQL (postgresql://…)."
    )


class Database:
    """A handle on one database; cheap to make, connects when first used. Safe to share between threads."""

    def __init__(self, url: str) -> None:
        parsed = parse_url(url)
        self.is_sqlite = parsed.drivername == "sqlite"
        # Passwords are bound parameters here only in sealed form, but names and reasons are not for error texts either.
        options: dict[str, Any] = {"hide_parameters": True}
        if self.is_sqlite:
            options["connect_args"] = {"timeout": _BUSY_TIMEOUT_MS / 1000}
        else:
            options["pool_pre_ping"] = True
            options["pool_size"] = 20
        self.engine: Engine = create_engine(parsed, **options)
        self._writer = self.engine.execution_options(rekey_writes=True)
        if self.is_sqlite:
            event.listen(self.engine, "do_connect", self._own_the_file)
            event.listen(self.engine, "connect", _prepare_sqlite)
        event.listen(self.engine, "begin", self._begin)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on a consistent snapshot; nothing done in it is kept."""
        with self._sentence_for_people(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The only writing transaction at this moment. Commits at the end of the block, rolls back on any exception."""
        with self._sentence_for_people(), Session(self._writer, expire_on_commit=False) as session:
            yield session
            session.commit()
            for callback in session.info.get("after_commit", []):
                callback()

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def _own_the_file(self, *_details: object) -> None:
        """A new database file is its owner's alone; the files SQLite puts beside it take over its mode."""
        with suppress(OSError):  # SQLite says what is wrong with the place, in the next moment
            # Only ever a file that was not there: closing one that is would give up every lock SQLite has on it here.
            os.close(os.open(str(self.engine.url.database), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _begin(self, connection: Connection) -> None:
        writes = connection.get_execution_options().get("rekey_writes", False)
        if self.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        elif writes:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
        else:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))

    @contextmanager
    def _sentence_for_people(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            where = self.engine.url.render_as_string(hide_password=True)
            raise StorageError(
                f"The database {where} cannot be used: {error.orig}. Nothing of this step was kept; "
                "what was kept before is safe. Check that it is running, writable and not full, then try again."
            ) from error

    # ---- schema -----------------------------------------------------------------------------------------------

    def migrate(self) -> str:
        """Bring the schema up to this program's; returns its revision. `SchemaProblem` when the database is newer."""
        head = self._refuse_newer()
        with self._sentence_for_people(), self._writer.begin() as connection:
            config = _alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return head

    def check_schema(self) -> None:
        """`SchemaProblem` unless the schema is exactly this program's."""
        head = self._refuse_newer()
        if self.schema_revision() != head:
            raise SchemaProblem("This database was made by an older Rekey. Run `rekey migrate`, then try again.")

    def schema_revision(self) -> str | None:
        """The revision the database is at; None when it is empty."""
        with self._sentence_for_people(), self.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def _refuse_newer(self) -> str:
        script = ScriptDirectory.from_config(_alembic_config())
        current, head = self.schema_revision(), script.get_current_head()
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise SchemaProblem(
                f"This database is at schema {current}, which this Rekey does not know: a newer Rekey made it. "
                "Nothing was touched. Install that newer version, or restore a backup made by this one."
            )
        if head is None:
            raise SchemaProblem("This Rekey was installed without its migrations. Install it anew.")
        return head


def after_commit(session: Session, callback: Callable[[], None]) -> None:
    """Have `callback` called once, right after this writing transaction was committed; never when it was not."""
    session.info.setdefault("after_commit", []).append(callback)


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event says BEGIN; the driver must not
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
