"""`rekey export`: write the world file back."""

from bot.cli.console import Json, print_json, services
from bot.world_file.export import export_world, written


def export(as_json: Json = False) -> None:
    """Write a world file of everything that is set up to stdout: references to credentials, never the credentials."""
    with services().database.reading() as session:
        world = export_world(session)
    if as_json:
        print_json(world)
    else:
        print(written(world), end="")
