"""The database: engine, Piccolo apps in dependency order, `transaction()` and plain SQL that joins it."""

import contextlib
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias, cast

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.apps.migrations.commands.forwards import run_forwards
from piccolo.conf.apps import AppRegistry
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from lib import actor, embedded
from settings import settings

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

DATABASE_URL = settings.database_url or embedded.database_url(settings.data_dir)

# Compiling a plan costs more than our longest statement saves. A machine that vanished keeps its locks for a minute.
SESSION = {
    "application_name": "stockroom",
    "timezone": "UTC",
    "jit": "off",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


class Engine(PostgresEngine):
    """Connects when it is asked something, not when it is imported."""

    async def check_version(self) -> None:
        """`litestar doctor` tells the version."""


class Transaction(PostgresTransaction):
    """Remembers in whose name it was last told to act."""

    told: actor.Actor | None = None


DB = Engine(config={"dsn": DATABASE_URL, "server_settings": SESSION})

APP_REGISTRY = AppRegistry(
    apps=[
        "domains.mail.piccolo_app",
        "domains.accounts.piccolo_app",
        "piccolo_api.mfa.authenticator.piccolo_app",
        "domains.events.piccolo_app",
        "domains.webhooks.piccolo_app",
        "domains.catalog.piccolo_app",
        "domains.orders.piccolo_app",
        "domains.shopify.piccolo_app",
        "domains.imports.piccolo_app",
        "queues.piccolo_app",
    ]
)

# After these a connection is lost, also where its socket does not know yet.
GOODBYES = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)

MIGRATION_LOCK = 5_207_012

TELL_WHO_ACTS = """
    SELECT set_config('stockroom.actor_id', $1, true), set_config('stockroom.actor', $2, true),
           set_config('stockroom.source', $3, true), set_config('stockroom.reference', $4, true),
           set_config('stockroom.bulk', $5, true)
"""


@contextlib.asynccontextmanager
async def pool(size: int = settings.database_pool_size, *, longest_seconds: float = 60) -> AsyncIterator[None]:
    """Without an open pool Piccolo opens a connection for every query, in silence.

    A statement that takes longer than `longest_seconds` ends in a TimeoutError.
    """
    await DB.start_connection_pool(min_size=1, max_size=size, reset=_keep_session, command_timeout=longest_seconds)
    try:
        yield
    finally:
        await DB.close_connection_pool()


async def _keep_session(_connection: object) -> None:
    """No session state outlives a transaction here, so resetting a connection would only cost a round trip."""


@contextlib.asynccontextmanager
async def transaction() -> AsyncIterator[Connection]:
    """Open a transaction, or join the one that is open, and tell PostgreSQL who acts, unless it knows.

    Piccolo's own leaves its task unusable when the connection dies inside it: rolling back raises, and the dead
    transaction stays current. Here the connection goes back and the variable is reset whatever was raised.
    """
    if (outer := DB.current_transaction.get()) is not None:
        if isinstance(outer, Transaction):
            await _tell_who_acts(outer)
        yield outer.connection
        return
    async with _borrowed() as connection:
        opened = Transaction(engine=DB)
        opened.connection = connection
        token = None
        try:
            async with connection.transaction():
                token = DB.current_transaction.set(opened)
                await _tell_who_acts(opened)
                yield connection
        finally:
            if token is not None:
                DB.current_transaction.reset(token)


async def _tell_who_acts(opened: Transaction) -> None:
    """What is done from here on is theirs: a verb inside another may name a cause of its own (`acting`)."""
    who = actor.current()
    if who == opened.told:
        return
    user_id = "" if who.user_id is None else str(who.user_id)
    given = (user_id, who.name, who.source, who.reference, "on" if who.bulk else "")
    await opened.connection.fetchrow(TELL_WHO_ACTS, *given)
    opened.told = who


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[Connection]:
    """The connection of the open transaction, or one from the pool."""
    if (joined := _current()) is not None:
        yield joined
        return
    async with _borrowed() as connection:
        yield connection


async def fetch(sql: str, *values: object) -> Sequence[asyncpg.Record]:
    """Rows of one statement, inside the open transaction when there is one."""
    async with connected() as connection:
        return await connection.fetch(sql, *values)


async def fetch_row(sql: str, *values: object) -> asyncpg.Record | None:
    async with connected() as connection:
        return await connection.fetchrow(sql, *values)


async def fetch_value(sql: str, *values: object) -> Any:
    async with connected() as connection:
        return await connection.fetchval(sql, *values)


async def execute(sql: str, *values: object) -> str:
    """Run one statement and return its command tag ("UPDATE 3")."""
    async with connected() as connection:
        return await connection.execute(sql, *values)


async def migrate() -> None:
    """Bring the tables up to date. Several may ask at once: one works, the others wait for it."""
    lock = await asyncpg.connect(**DB.config)
    try:
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        with contextlib.redirect_stdout(io.StringIO()):
            await run_forwards(app_name="all")
    finally:
        await lock.close()


def write_in_sql(migration_id: str, app_name: str, description: str, *scripts: str, undo: str) -> MigrationManager:
    """A migration of what Piccolo does not write itself: constraints, triggers, indexes on expressions."""
    manager = MigrationManager(migration_id=migration_id, app_name=app_name, description=description)

    async def run() -> None:
        for script in scripts:
            await execute(script)

    async def take_back() -> None:
        await execute(undo)

    manager.add_raw(run)
    manager.add_raw_backwards(take_back)
    return manager


def _current() -> "Connection | None":
    opened = DB.current_transaction.get()
    return None if opened is None else opened.connection


@contextlib.asynccontextmanager
async def _borrowed() -> AsyncIterator[Connection]:
    """From the pool and back. What the server has said goodbye to is closed here.

    Resetting does nothing, so nothing else would notice before the next request has it.
    """
    connection = await _acquire()
    try:
        yield connection
    except GOODBYES:
        # The pool may have taken it back by itself.
        with contextlib.suppress(asyncpg.InterfaceError):
            connection.terminate()
        raise
    finally:
        await _release(connection)


async def _acquire() -> Connection:
    if DB.pool is None:
        return cast("Connection", await asyncpg.connect(**DB.config))
    return cast("Connection", await DB.pool.acquire())


async def _release(connection: Connection) -> None:
    """Give the connection back; one that died inside must not hide the error that told of it."""
    with contextlib.suppress(asyncpg.InterfaceError, OSError):
        if isinstance(connection, PoolConnectionProxy) and DB.pool is not None:
            await DB.pool.release(connection)
        else:
            await connection.close()
