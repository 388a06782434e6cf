"""Structured logs: one line per thing that happened, with the request or job id, ids instead of objects, no secrets."""

import logging
import sys

import structlog
from structlog.typing import Processor

from settings import LogFormat, LogLevel, settings

SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
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
