"""What PostgreSQL and Redis refuse reaches a client in our words, and a bug of ours stays a 500."""

import asyncpg
import pytest
from litestar import get
from redis.exceptions import ConnectionError as RedisConnectionError

from piccolo_conf import fetch_value
from tests import small_app

SECRET = "postgresql://somebody:hunter2@db/stock"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (asyncpg.CharacterNotInRepertoireError(SECRET), 400),
        (asyncpg.UntranslatableCharacterError(SECRET), 400),
        (asyncpg.NumericValueOutOfRangeError(SECRET), 400),
        (asyncpg.DeadlockDetectedError(SECRET), 503),
        (asyncpg.SerializationError(SECRET), 503),
        (asyncpg.UniqueViolationError(SECRET), 409),
        (asyncpg.ForeignKeyViolationError(SECRET), 409),
        (asyncpg.CannotConnectNowError(SECRET), 503),
        (asyncpg.TooManyConnectionsError(SECRET), 503),
        (asyncpg.AdminShutdownError(SECRET), 503),
        (asyncpg.ConnectionDoesNotExistError(SECRET), 503),
        (asyncpg.InterfaceError("connection is closed"), 503),
        (RedisConnectionError(SECRET), 503),
        (asyncpg.InterfaceError("the server expects 1 argument"), 500),
        (asyncpg.UndefinedTableError(SECRET), 500),
        (asyncpg.DivisionByZeroError(SECRET), 500),
        (FileNotFoundError(SECRET), 500),
    ],
)
async def test_the_database_refuses_in_our_words(error: Exception, status: int):
    answer = await small_app.ask(error)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("sql", "value", "status"),
    [
        ("SELECT $1::text", "a\0b", 400),
        ("SELECT $1::text", "\ud800", 400),
        ("SELECT $1::int", 2**31, 400),
        ("SELECT $1::bigint", 2**64, 400),
        ("SELECT $1::int + 1", 2**31 - 1, 400),
        ("SELECT pg_terminate_backend(pg_backend_pid()) WHERE $1", True, 503),
        ("SELECT $1::int", "one", 500),
    ],
)
async def test_postgresql_itself_refuses_in_our_words(database: None, sql: str, value: object, status: int):
    @get("/ask")
    async def ask_postgresql() -> str:
        return str(await fetch_value(sql, value))

    async with small_app.client(ask_postgresql) as client:
        answer = await client.get("/ask")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_database_that_is_not_there_is_unavailable():
    @get("/connect")
    async def connect() -> None:
        await asyncpg.connect("postgresql://user@/db?host=/nowhere")

    async with small_app.client(connect) as client:
        answer = await client.get("/connect")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
