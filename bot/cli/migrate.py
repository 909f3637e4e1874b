"""`rekey migrate`: bring the database's schema up to this program's."""

from bot import app
from bot.cli.console import Json, print_json, settings


def migrate(as_json: Json = False) -> None:
    """Bring the database's schema up to date.

    Every command does this by itself on start. There is no way down: a backup is the way back.
    """
    database = app.open_database(settings())
    revision = database.schema_revision()
    if as_json:
        print_json({"schema": revision})
    else:
        print(f"The database is at schema {revision}.")
