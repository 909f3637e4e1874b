"""What people did in Slack is taken up once, with everything it brought about, or not at all."""

from datetime import timedelta

import pytest

from bot.errors import RowNotFound
from storage.database import Database
from storage.interactions import forget_interactions, take_up
from storage.models import now


def test_the_same_delivery_is_taken_up_once(database: Database) -> None:
    for first in (True, False, False):
        with database.writing() as session:
            assert take_up(session, "1.2.abc") is first


def test_what_failed_was_not_taken_up(database: Database) -> None:
    def fails() -> None:
        with database.writing() as session:
            assert take_up(session, "1.2.abc")
            raise RowNotFound("what was asked for is not there")

    with pytest.raises(RowNotFound):
        fails()
    with database.writing() as session:
        assert take_up(session, "1.2.abc")


def test_only_what_is_old_is_forgotten(database: Database) -> None:
    with database.writing() as session:
        take_up(session, "1.2.abc")
        forget_interactions(session, now() - timedelta(hours=1))
        assert not take_up(session, "1.2.abc")
        forget_interactions(session, now() + timedelta(seconds=1))
        assert take_up(session, "1.2.abc")
