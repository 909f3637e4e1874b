"""`rekey serve`: listen to Slack and run the lanes until told to stop."""

import signal
import threading
from contextlib import ExitStack

import structlog

from bot import app, logs
from bot.settings import load

_log = structlog.get_logger(__name__)


def serve() -> None:
    """Listen to Slack and run what falls due until told to stop.

    With SLACK_APP_TOKEN in Socket Mode, else with SLACK_SIGNING_SECRET by HTTP; Rekey's own pages, to which Slack only
    links, are served beside it. Without SLACK_BOT_TOKEN only the lanes run. SIGINT or SIGTERM ends it, once what is
    under way is safe. Any number of these and of other commands may run on one database: each lane is worked by one of
    them at a time.
    """
    settings = load()
    logs.start(settings.log_level, settings.log_format)
    ready = app.build(settings)
    ready.safe.escrow.check()
    line = app.line_to_slack(ready)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ExitStack() as opened:
        if line is not None:
            opened.enter_context(line)
            if settings.http_port:
                opened.enter_context(app.web(ready, line))
        opened.enter_context(app.scheduler(ready, keeps_rules=True))
        _log.info("serving", lanes_at_once=settings.pool_size, slack=type(line).__name__ if line else "none")
        stopped.wait()
        _log.info("stopping", meaning="what is under way is finished or looked at on the next start")
