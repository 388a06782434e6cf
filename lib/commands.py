"""What every command of `litestar` needs around it: PostgreSQL, Redis, and a loop to run in."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, ParamSpec

import click

from lib import log
from lib.embedded import embedded
from lib.errors import AppError
from lib.servers.errors import EmbeddedFailed, EmbeddedUnavailable
from settings import settings

P = ParamSpec("P")


def runs(
    *, own: bool = False, quiet: bool = True, run_loop: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run
) -> Callable[[Callable[P, Coroutine[Any, Any, None]]], Callable[P, None]]:
    """Run an async command with PostgreSQL and Redis there: the given ones, or those of DATA_DIR.

    `own`: this process shall run the servers. `quiet`: it speaks to a person, so it logs warnings only.
    `run_loop`: what works for long does so on a faster one.
    """

    def decorate(command: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
        @wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> None:
            log.configure(quiet=quiet)
            with _servers(own=own), contextlib.suppress(KeyboardInterrupt):
                run_loop(command(*args, **kwargs))

        return run

    return decorate


@contextlib.contextmanager
def _servers(*, own: bool) -> Iterator[None]:
    try:
        with embedded(settings.data_dir, postgres=not settings.database_url, valkey=not settings.redis_url, own=own):
            yield
    except (EmbeddedFailed, EmbeddedUnavailable, AppError) as error:
        raise click.ClickException(str(error)) from None
