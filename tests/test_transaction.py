"""`transaction()`: joins, tells who acts, and survives a connection that dies inside it."""

import asyncpg
import pytest

from lib.actor import Source, acting
from piccolo_conf import DB, execute, fetch, fetch_value, transaction

pytestmark = pytest.mark.usefixtures("database")

ADD = "INSERT INTO product (sku, name) VALUES ($1, 'Thing')"


async def test_an_inner_transaction_joins_the_outer_one() -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            async with transaction():
                await execute(ADD, "A")
            raise ZeroDivisionError
    assert await fetch_value("SELECT count(*) FROM product") == 0


async def test_piccolo_queries_and_transactions_join_it() -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(), DB.transaction():
            await execute(ADD, "A")
            raise ZeroDivisionError
    assert await fetch_value("SELECT count(*) FROM product") == 0


async def test_a_backend_killed_inside_leaves_the_task_able_to_go_on() -> None:
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
        async with transaction() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            killer = await asyncpg.connect(**DB.config)
            await killer.execute("SELECT pg_terminate_backend($1)", pid)
            await killer.close()
            await execute(ADD, "A")
    async with transaction():
        await execute(ADD, "B")
    assert [row["sku"] for row in await fetch("SELECT sku FROM product")] == ["B"]


async def test_the_log_says_who_did_it_from_where_and_why() -> None:
    with acting(user_id=7, name="ada", source=Source.WEB, reference="order:3", bulk=True):
        async with transaction():
            await execute(ADD, "A")
    event = (await fetch("SELECT actor_id, actor, source, reference, bulk FROM event"))[0]
    assert tuple(event) == (7, "ada", "web", "order:3", True)


async def test_plain_sql_is_logged_too_and_knows_nobody() -> None:
    await execute(ADD, "A")
    await execute("UPDATE product SET price = 3")
    await execute("DELETE FROM product")
    events = await fetch("SELECT topic, actor_id, source, changes::text FROM event ORDER BY id")
    assert [tuple(event) for event in events] == [
        ("product.created", None, "sql", None),
        ("product.updated", None, "sql", '{"price": ["0.00", "3.00"]}'),
        ("product.deleted", None, "sql", None),
    ]


async def test_an_update_that_changes_nothing_is_no_version_and_no_event() -> None:
    await execute(ADD, "A")
    await execute("UPDATE product SET name = name, version = version")
    assert await fetch_value("SELECT version FROM product") == 1
    assert await fetch_value("SELECT count(*) FROM event") == 1


async def test_nobody_can_set_a_version_by_hand() -> None:
    await execute(ADD, "A")
    await execute("UPDATE product SET version = 99")
    assert await fetch_value("SELECT version FROM product") == 2


async def test_one_statement_that_changes_many_rows_logs_each_that_changed() -> None:
    await execute("INSERT INTO product (sku, name, price) SELECT 'S' || n, 'Thing', n FROM generate_series(1, 500) n")
    await execute("UPDATE product SET price = greatest(price, 100)")
    assert await fetch_value("SELECT count(*) FROM event WHERE topic = 'product.updated'") == 99


async def test_the_log_can_only_grow() -> None:
    await execute(ADD, "A")
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE event SET actor = 'somebody else'")


@pytest.mark.parametrize("price", ["-0.01", "NaN", "99999999999"])
async def test_the_database_keeps_prices_in_range(price: str) -> None:
    with pytest.raises(asyncpg.PostgresError):
        await execute(f"INSERT INTO product (sku, name, price) VALUES ('A', 'Thing', '{price}')")


async def test_the_database_keeps_skus_apart_whatever_their_case() -> None:
    await execute(ADD, "A-1")
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(ADD, "a-1")


async def test_the_database_keeps_skus_trimmed() -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await execute(ADD, " A")
