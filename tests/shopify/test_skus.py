"""Which product a variant is, and which SKU it has, when others want the same one."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from itertools import combinations

import httpx
from hypothesis import given
from hypothesis import strategies as st

from domains.shopify import jobs
from domains.shopify import skus as sku_services
from domains.shopify.skus import Parked, find_able
from piccolo_conf import execute, fetch
from tests.catalog.making import make_product
from tests.inventory.shelves import adjust
from tests.shopify.assortment import (
    BLACK,
    BRASS,
    BRASS_ITEM,
    LAMP,
    assert_laws,
    became,
    black,
    brass,
    know,
    lamp,
    minute,
    numbered,
    product_of,
    said,
    skus,
    tell_gone,
    tell_lamp,
)
from tests.shopify.making import load, row_of, send, settle, tell


async def make_due() -> None:
    """What is parked is tried again now."""
    await execute("UPDATE inbound_webhook SET next_attempt_at = now() WHERE state = 'parked'")
    await settle()


async def test_a_product_of_ours_with_the_same_sku_is_taken_over(admin: httpx.AsyncClient) -> None:
    ours = await make_product(admin, "lamp-brass", stock=2, cost_price="9.00")
    row = await tell_lamp(admin)
    product = await product_of(BRASS)
    assert became(row) == ["updated", "created"]
    assert (product["id"], product["sku"], product["cost_price"]) == (ours["id"], "LAMP-BRASS", Decimal("9.00"))
    assert product["inventory_quantity"] == 7
    await assert_laws()


async def test_a_sku_of_another_variant_parks_its_own_variant_only(admin: httpx.AsyncClient) -> None:
    await tell_lamp(admin, 0, numbered(1, sku="lamp-BRASS"), id=LAMP + 1)
    row = await tell_lamp(admin, 0)
    assert (said(row), row["awaits"]) == (("parked", "sku_taken"), "sku:lamp-brass")
    assert (became(row), row["detail"]) == (["parked", "created"], "Another product has the SKU LAMP-BRASS.")
    await tell_lamp(admin, 1, numbered(1, sku="OTHER"), id=LAMP + 1)
    await make_due()
    assert said(await row_of(row["id"])) == ("processed", None)
    assert (await product_of(BRASS))["sku"] == "LAMP-BRASS"


async def test_a_known_variant_keeps_its_sku_while_another_has_the_new_one(admin: httpx.AsyncClient) -> None:
    await tell_lamp(admin, 0)
    await make_product(admin, "TAKEN")
    row = await tell_lamp(admin, 1, brass(sku="TAKEN", price="1.00"), black(price="2.00"))
    assert (said(row)[1], became(row)) == ("sku_taken", ["parked", "updated"])
    product = await product_of(BRASS)
    assert (product["sku"], product["price"]) == ("LAMP-BRASS", Decimal("1.00"))


async def test_two_variants_with_one_sku_give_one_product(client: httpx.AsyncClient) -> None:
    row = await tell_lamp(client, 0, brass(sku="SAME"), black(sku="same"))
    assert (said(row)[0], became(row)) == ("parked", ["created", "parked"])


async def test_what_is_parked_books_no_stock_again(admin: httpx.AsyncClient) -> None:
    await make_product(admin, "TAKEN")
    await tell_lamp(admin, 0)
    row = await tell_lamp(admin, 1, brass(sku="TAKEN", inventory_quantity=5), black())
    await adjust(admin, (await product_of(BRASS))["id"], delta=-1)
    await make_due()
    assert (await row_of(row["id"]))["attempts"] == 2
    assert (await product_of(BRASS))["inventory_quantity"] == 4


async def test_skus_are_swapped(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    row = await tell_lamp(client, 1, brass(sku="LAMP-BLACK"), black(sku="lamp-brass"))
    assert became(row) == ["updated", "updated"]
    assert ((await product_of(BRASS))["sku"], (await product_of(BLACK))["sku"]) == ("LAMP-BLACK", "lamp-brass")


async def test_a_sku_that_another_variant_leaves_goes_to_a_new_one(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0, brass())
    row = await tell_lamp(client, 1, black(sku="LAMP-BRASS"), brass(sku="LAMP-GOLD"))
    assert became(row) == ["created", "updated"]
    assert await skus() == {"LAMP-BRASS": True, "LAMP-GOLD": True}


async def test_swaps_stop_where_a_stranger_is_in_the_way(admin: httpx.AsyncClient) -> None:
    await tell_lamp(admin, 0, numbered(1), numbered(2), numbered(3))
    await make_product(admin, "TAKEN")
    chain = [numbered(1, sku="LAMP-2"), numbered(2, sku="LAMP-3"), numbered(3, sku="TAKEN")]
    row = await tell_lamp(admin, 1, *chain)
    assert became(row) == ["parked", "parked", "parked"]
    assert list(await skus()) == ["LAMP-1", "LAMP-2", "LAMP-3", "TAKEN"]


async def test_a_sku_that_an_item_told_later_stays(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await know("item", BRASS_ITEM, 9)
    await tell_lamp(client, 1, brass(sku="OLDER"), black(sku="NEWER"))
    assert list(await skus()) == ["LAMP-BRASS", "NEWER"]


async def test_two_products_that_want_one_sku_at_once_give_it_to_one(client: httpx.AsyncClient) -> None:
    for number in range(6):
        told = lamp(0, numbered(number, sku="ONE"), id=LAMP + number)
        await send(client, "products/create", told, triggered_at=minute(0))
    await asyncio.gather(*(jobs.work_one() for _ in range(6)))
    await settle()
    rows = await fetch("SELECT state, count(*) FROM inbound_webhook GROUP BY 1 ORDER BY 1")
    assert {row["state"]: row["count"] for row in rows} == {"parked": 5, "processed": 1}


OTHER = LAMP + 1
THIRD = LAMP + 2


async def tell_three(client: httpx.AsyncClient) -> None:
    """Products of their own, with the SKUs LAMP-1 to LAMP-3."""
    for number, product_id in enumerate((LAMP, OTHER, THIRD), 1):
        await tell_lamp(client, 0, numbered(number), id=product_id)


async def skus_of_numbered() -> list[str]:
    rows = await fetch("SELECT sku FROM product WHERE shopify_variant_id > 700000 ORDER BY shopify_variant_id")
    return [row["sku"] for row in rows]


async def states() -> set[str]:
    return {row["state"] for row in await fetch("SELECT DISTINCT state FROM inbound_webhook")}


async def test_two_products_swap_their_skus(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    first = await tell_lamp(client, 1, numbered(1, sku="LAMP-2"))
    assert (said(first), first["awaits"]) == (("parked", "sku_taken"), "sku:lamp-2")
    await tell_lamp(client, 1, numbered(2, sku="LAMP-1"), id=OTHER)
    assert (await skus_of_numbered(), await states()) == (["LAMP-2", "LAMP-1", "LAMP-3"], {"processed"})
    await assert_laws()


async def test_three_products_pass_their_skus_on_in_a_ring(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    for number, product_id in ((1, LAMP), (3, THIRD), (2, OTHER)):
        await tell_lamp(client, 1, numbered(number, sku=f"LAMP-{number % 3 + 1}"), id=product_id)
    assert (await skus_of_numbered(), await states()) == (["LAMP-2", "LAMP-3", "LAMP-1"], {"processed"})


async def test_items_of_two_products_swap_their_skus(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    for number, sku in ((1, "LAMP-2"), (2, "LAMP-1")):
        told = load("inventory_item") | {"id": 800_000 + number, "sku": sku, "updated_at": minute(1).isoformat()}
        await tell(client, "inventory_items/update", told, triggered_at=minute(1))
    assert (await skus_of_numbered(), await states()) == (["LAMP-2", "LAMP-1", "LAMP-3"], {"processed"})


async def test_skus_that_wait_for_each_other_go_on_as_soon_as_one_is_free(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    await tell_lamp(client, 1, numbered(1, sku="LAMP-2"))
    await tell_lamp(client, 1, numbered(2, sku="LAMP-3"), id=OTHER)
    await tell_lamp(client, 1, numbered(4, sku="LAMP-1"), id=THIRD + 1)
    assert await skus_of_numbered() == ["LAMP-1", "LAMP-2", "LAMP-3"]
    await tell_lamp(client, 1, numbered(3, sku="LAMP-9"), id=THIRD)
    assert (await skus_of_numbered(), await states()) == (["LAMP-2", "LAMP-3", "LAMP-9", "LAMP-1"], {"processed"})


async def test_a_sku_that_was_waited_for_is_not_given_to_who_is_to_have_another_by_now(
    client: httpx.AsyncClient,
) -> None:
    await tell_three(client)
    await tell_lamp(client, 1, numbered(1, sku="LAMP-2"))
    await tell_lamp(client, 2, numbered(1, sku="LAMP-1"))
    await tell_lamp(client, 1, numbered(2, sku="LAMP-9"), id=OTHER)
    assert await skus_of_numbered() == ["LAMP-1", "LAMP-9", "LAMP-3"]


async def test_a_sku_goes_on_when_the_product_that_had_it_is_removed(client: httpx.AsyncClient) -> None:
    await tell_lamp(client, 0)
    await tell_lamp(client, 0, numbered(1), id=OTHER)
    await tell_lamp(client, 1, numbered(1, sku="LAMP-BRASS"), id=OTHER)
    await tell_gone(client, 2)
    assert await skus_of_numbered() == ["LAMP-BRASS"]
    assert await states() == {"processed"}


async def test_a_sku_that_is_free_by_hand_is_given_by_the_watch(admin: httpx.AsyncClient) -> None:
    ours = await make_product(admin, "TAKEN")
    await tell_lamp(admin, 0, numbered(1))
    row = await tell_lamp(admin, 1, numbered(1, sku="TAKEN"))
    await admin.patch(f"/api/products/{ours['id']}/", json={"sku": "OURS"}, headers={"If-Match": "*"})
    await jobs.Watch().look()
    await settle()
    assert (await skus_of_numbered(), said(await row_of(row["id"]))) == (["TAKEN"], ("processed", None))


async def test_of_two_for_one_sku_it_goes_to_the_one_that_others_wait_for(
    client: httpx.AsyncClient,
) -> None:
    await tell_three(client)
    for number, sku, product_id in ((1, "LAMP-3", LAMP), (2, "LAMP-3", OTHER), (3, "LAMP-2", THIRD)):
        await tell_lamp(client, 1, numbered(number, sku=sku), id=product_id)
    assert (await skus_of_numbered(), await states()) == (["LAMP-1", "LAMP-3", "LAMP-2"], {"parked", "processed"})


async def test_skus_are_settled_without_a_look_at_all_products(admin: httpx.AsyncClient) -> None:
    await execute("""
        WITH made AS (
            INSERT INTO product (sku, name, shopify_variant_id) SELECT 'S-' || n, 'S', n FROM generate_series(1, 9000) n
            RETURNING id, sku)
        INSERT INTO parked_sku (product, sku) SELECT id, sku || '0' FROM made WHERE id % 1000 = 0
    """)
    await execute("ANALYZE product, parked_sku")
    plan = "\n".join(row[0] for row in await fetch(f"EXPLAIN {sku_services.FIND}"))
    assert "product_sku_key" in plan
    assert "Seq Scan on product" not in plan


async def test_an_item_that_is_to_have_no_sku_any_more_takes_none(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    for at, sku in ((1, "LAMP-2"), (2, "")):
        told = load("inventory_item") | {"id": 800_001, "sku": sku, "updated_at": minute(at).isoformat()}
        await tell(client, "inventory_items/update", told, triggered_at=minute(at))
    await tell_lamp(client, 3, numbered(2, sku="LAMP-9"), id=OTHER)
    assert await skus_of_numbered() == ["LAMP-1", "LAMP-9", "LAMP-3"]


async def test_a_sku_that_cannot_be_stored_takes_back_the_one_before(client: httpx.AsyncClient) -> None:
    await tell_three(client)
    await tell_lamp(client, 1, numbered(1, sku="LAMP-2"))
    await tell_lamp(client, 2, numbered(1, sku="X" * 101))
    await tell_lamp(client, 3, numbered(2, sku="LAMP-9"), id=OTHER)
    assert await skus_of_numbered() == ["LAMP-1", "LAMP-9", "LAMP-3"]


@given(st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=6))
def test_whoever_can_have_a_sku_gets_one(wants: list[tuple[int, bool]]) -> None:
    """Each product has its own number as its SKU, and wants another; not all products are to have another one."""
    parked = [
        Parked(number, str(sku), str(sku), str(number), sku if sku < len(wants) else None)
        for number, (sku, waits) in enumerate(wants)
        if waits and sku != number
    ]
    given = {one.product: one for one in find_able(parked)}
    assert len({one.folded for one in given.values()}) == len(given)
    assert all(one.holder is None or one.holder in given for one in given.values())
    possible = (some for size in range(1, len(parked) + 1) for some in combinations(parked, size) if may_all_have(some))
    assert bool(given) == (next(possible, None) is not None)


def may_all_have(some: Sequence[Parked]) -> bool:
    leaving = {one.product for one in some} | {None}
    return len({one.folded for one in some}) == len(some) and all(one.holder in leaving for one in some)
