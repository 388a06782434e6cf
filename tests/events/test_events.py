"""The event log: facts recorded beside changes, told with who acts, and never changed."""

import asyncpg
import pytest

from domains.events import services as events
from lib.actor import Source, acting
from piccolo_conf import execute, fetch, transaction

pytestmark = pytest.mark.usefixtures("database")


async def facts() -> list[asyncpg.Record]:
    return list(await fetch("SELECT * FROM event ORDER BY id"))


async def test_a_fact_tells_who_where_and_why():
    with acting(user_id=None, name="ada", source=Source.IMPORT, reference="import:7"):
        await events.record("import.completed", subject="import:7", data={"created": 5})
    [fact] = await facts()
    assert (fact["topic"], fact["subject"], fact["actor"], fact["source"]) == (
        "import.completed",
        "import:7",
        "ada",
        "import",
    )
    assert (fact["reference"], fact["data"], fact["product_id"]) == ("import:7", '{"created": 5}', None)


async def test_a_fact_is_kept_or_lost_with_the_write_that_it_tells_of():
    with pytest.raises(RuntimeError):
        async with transaction():
            await events.record("order.placed", subject="order:1", data={})
            raise RuntimeError
    assert await facts() == []


async def test_a_product_records_itself_in_the_name_of_who_acts():
    with acting(user_id=None, name="ada", source=Source.API, bulk=True):
        async with transaction():
            await execute("INSERT INTO product (sku, name) VALUES ('A-1', 'Lamp')")
            await execute("UPDATE product SET price = 5, brand = 'Acme'")
            await execute("UPDATE product SET price = 5")
    created, updated = await facts()
    assert (created["topic"], updated["topic"]) == ("product.created", "product.updated")
    assert (updated["actor"], updated["bulk"]) == ("ada", True)
    [changed] = await events.history(updated["product_id"], before=None, offset=0, limit=1)
    assert changed.changes == {"price": ("0.00", "5.00"), "brand": (None, "Acme")}
    assert changed.data is None


async def test_the_log_can_only_grow():
    await events.record("order.placed", subject="order:1", data={})
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE event SET topic = 'order.cancelled'")
    await execute("UPDATE event SET relayed_at = now()")


async def test_history_is_of_one_product_and_goes_back_from_an_event():
    for sku in ("A-1", "B-1"):
        await execute("INSERT INTO product (sku, name) VALUES ($1, 'Lamp')", sku)
    for _ in range(3):
        await execute("UPDATE product SET price = price + 1 WHERE sku = 'A-1'")
    product_id = (await facts())[0]["product_id"]
    everything = await events.history(product_id, before=None, offset=0, limit=10)
    assert [event.topic for event in everything] == ["product.updated"] * 3 + ["product.created"]
    assert await events.count_history(product_id) == 4
    assert await events.history(product_id, before=everything[1].id, offset=0, limit=1) == everything[2:3]
