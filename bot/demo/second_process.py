"""A second Rekey for the tour to kill: works the lanes of the tour's world until it is stopped.

`python -m bot.demo.second_process SOCKET`, with the world's settings in the environment.
"""

import sys
import threading

from bot import app, logs, settings
from bot.demo.practice_server import practice_kind


def main() -> None:
    """Run the lanes for ever."""
    ours = settings.load()
    logs.start(ours.log_level, ours.log_format)
    services = app.build(ours, {"practice": practice_kind(sys.argv[1])})
    with app.scheduler(services):
        threading.Event().wait()


if __name__ == "__main__":
    main()
