"""One writer at a time on both databases, and a file that is its owner's alone."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import select

from bot.errors import BadInput, SchemaProblem, StorageError
from storage.database import Database, after_commit
from storage.models import Connection, Organization, Record


def _organization(name: str) -> Organization:
    return Organization(name=name, name_key=name.lower())


def test_what_one_writer_decided_on_is_still_true_when_it_writes(database: Database) -> None:
    """Eight threads read a count and write the next one: with one writer at a time none is written twice."""

    def count_up() -> None:
        for _ in range(10):
            with database.writing() as session:
                number = len(session.exec(select(Organization)).all())
                session.add(_organization(f"number {number}"))

    threads = [threading.Thread(target=count_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.reading() as session:
        assert {row.name for row in session.exec(select(Organization))} == {f"number {n}" for n in range(80)}


def test_nothing_of_a_failed_block_is_kept_and_its_callbacks_are_not_called(database: Database) -> None:
    called: list[str] = []

    with pytest.raises(BadInput), database.writing() as session:  # noqa: PT012 - the block is what fails
        session.add(_organization("half"))
        session.flush()
        after_commit(session, lambda: called.append("half"))
        raise BadInput("no")

    with database.writing() as session:
        after_commit(session, lambda: called.append("whole"))
    with database.reading() as session:
        assert session.exec(select(Organization)).all() == []
    assert called == ["whole"]


def test_a_reader_sees_one_moment_while_others_write(database: Database) -> None:
    with database.reading() as session:
        before = len(session.exec(select(Organization)).all())
        with database.writing() as writer:
            writer.add(_organization("new"))
        assert len(session.exec(select(Organization)).all()) == before


def test_times_come_back_aware_and_naive_ones_are_refused(database: Database) -> None:
    at = datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))
    with database.writing() as session:
        session.add(Organization(name="A", name_key="a", frozen_at=at))
    with database.reading() as session:
        stored = session.exec(select(Organization)).one().frozen_at
    assert stored == at
    assert stored is not None
    assert stored.tzinfo == UTC
    with pytest.raises((StatementError, ValueError)), database.writing() as session:  # noqa: PT012 - at the flush
        session.add(Organization(name="B", name_key="b", frozen_at=datetime(2026, 3, 29)))  # noqa: DTZ001
        session.flush()


def test_a_database_made_by_a_newer_rekey_is_refused_with_a_sentence(database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaProblem, match="a newer Rekey made it"):
        database.migrate()
    with pytest.raises(SchemaProblem, match="9999"):
        database.check_schema()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    assert database.migrate() == database.schema_revision()


def test_an_organization_cannot_point_at_another_ones_rows(database: Database) -> None:
    with database.writing() as session:
        first, second = _organization("first"), _organization("second")
        session.add_all([first, second])
        session.flush()
        connection = Connection(organization_id=first.id, name="ad", name_key="ad", side="directory", kind="practice")
        session.add(connection)
        session.flush()
        strange = Record(organization_id=second.id, connection_id=connection.id, name="n", name_key="n")
    with database.writing() as session:
        session.add(strange)
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()


def test_a_new_database_file_is_its_owners_alone(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/new.db").migrate()

    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "nonsense", "sqlite:///:memory:"])
def test_another_kind_of_database_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(BadInput, match="REKEY_DATABASE_URL"):
        Database(url)


def test_a_database_that_cannot_be_used_says_where_and_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be used"):
        Database(f"sqlite:///{tmp_path}/missing/folder/rekey.db").migrate()
    with pytest.raises(StorageError) as refused:
        Database("postgresql://rekey:hunter2-secret@127.0.0.1:1/rekey").migrate()
    assert "hunter2-secret" not in str(refused.value)


def test_opening_another_connection_gives_up_no_lock_of_the_ones_there_are(tmp_path: Path) -> None:
    """Closing any descriptor of a file gives up all locks of a process on it. Another process that then closes the
    database thinks it is the last one and deletes the journal under our feet: the database would be malformed.
    """
    database = Database(f"sqlite:///{tmp_path}/rekey.db")
    database.migrate()
    look_and_close = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM facts'); c.close()"
    )
    with database.reading() as session, database.reading() as another:
        session.exec(select(Organization)).all()
        another.exec(select(Organization)).all()
        subprocess.run([sys.executable, "-c", look_and_close, tmp_path / "rekey.db"], check=True)
        assert (tmp_path / "rekey.db-wal").exists()
    database.dispose()
