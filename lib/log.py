"""Structured logs: one line per thing that happened, with the request or job id, ids instead of objects, no secrets."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from lib import actor
from settings import LogFormat, LogLevel, settings


def name_actor(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """`by` is the id of the user in whose name this happens; nobody's doing, and the system's own, has none."""
    if (user_id := actor.current().user_id) is not None:
        line.setdefault("by", user_id)
    return line


SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    name_actor,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(*, quiet: bool = False) -> None:
    """Send our own lines and those of libraries through one formatter to stderr; `quiet` leaves only warnings."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LogLevel.WARNING if quiet else settings.log_level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "saq"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("saq").setLevel(logging.WARNING)


def _formatter() -> structlog.stdlib.ProcessorFormatter:
    renderers: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if settings.log_format is LogFormat.JSON:
        renderers += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        # Its own way of showing errors prints local variables, and with them tokens.
        plain = structlog.dev.plain_traceback
        renderers.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=SHARED, processors=renderers)


def get(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
