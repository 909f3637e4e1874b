"""`rekey export`: write the world file back."""

from bot.cli.console import Json, print_json, services
from bot.world_file.export import export_world, written


def export(as_json: Json = False) -> None:
    """Write the world file back, to stdout.

    With references to credentials where they came from some, never with the credentials.
    """
    with services().database.reading() as session:
        world = export_world(session)
    if as_json:
        print_json(world)
    else:
        print(written(world), end="")
