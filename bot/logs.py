"""The log: structured lines on stderr, with everything secret taken out on the way.

`start` is called once per process. Our own lines and those of libraries leave through the same door, so the masking
holds for both. Libraries speak from WARNING upwards only, whatever the level: their debug lines may show what they
send.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import SecretBytes, SecretStr
from structlog.typing import EventDict, Processor

MASK = "********"

_SECRET_NAME = re.compile(r"passw|passphrase|secret|token|credential|(master|private)_?key|authorization", re.I)
_INNOCENT_TYPES = (bool, int, float, type(None))
_USERINFO = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+@")


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Mask values whose name says that they are secret, secret types wherever they stand, and passwords inside URLs."""
    return {name: value if name == "exc_info" else _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if _SECRET_NAME.search(name) and not isinstance(value, _INNOCENT_TYPES):
        return MASK
    if isinstance(value, str):
        return _USERINFO.sub(rf"\1:{MASK}@", value)
    if isinstance(value, Mapping):
        return {key: _masked(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(name, inner) for inner in value]
    if isinstance(value, _INNOCENT_TYPES):
        return value
    return _USERINFO.sub(rf"\1:{MASK}@", str(value))


def start(level: str, style: str) -> None:
    """Write lines of at least `level` (debug, info, warning, error) to stderr, as `console` text or `json`."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    # Never tracebacks with local variables: a local may be a password.
    traceback: Processor = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    )
    draw: Processor = structlog.processors.JSONRenderer()
    if style == "console":
        traceback = structlog.processors.format_exc_info
        draw = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                traceback,
                redact,
                draw,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    for ours in ("bot", "handlers", "storage"):
        logging.getLogger(ours).setLevel(threshold)
