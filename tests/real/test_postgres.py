"""What the PostgreSQL server promises to the tests that stand on it."""

import psycopg
import pytest

from tests.real.postgres import Postgres


def test_every_test_has_a_database_of_its_own(postgres: Postgres, postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    other = postgres.fresh_database()
    with psycopg.connect(other) as connection:
        assert connection.execute("SELECT to_regclass('mine')").fetchone() == (None,)
    postgres.drop_database(other)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(other)
