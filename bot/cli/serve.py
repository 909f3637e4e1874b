"""`rekey serve`: run the lanes until told to stop."""

import signal
import threading

import structlog

from bot import app, logs
from bot.settings import load

_log = structlog.get_logger(__name__)


def serve() -> None:
    """Run what falls due until told to stop.

    SIGINT or SIGTERM ends it, once what is under way is safe. Any number of these and of other commands may run on
    one database: each lane is worked by one of them at a time.
    """
    settings = load()
    logs.start(settings.log_level, settings.log_format)
    ready = app.build(settings)
    ready.safe.escrow.check()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with app.scheduler(ready):
        _log.info("serving", lanes_at_once=settings.pool_size)
        stopped.wait()
        _log.info("stopping", meaning="what is under way is finished or looked at on the next start")
