"""Lists of orders: whose, filtered, sorted, and in pages."""

from datetime import UTC, datetime

import pytest

from domains.orders.sale_lists import ORDERS as ORDERS_LIST
from domains.orders.sales import COLUMNS
from lib.listing import find_page
from piccolo_conf import execute, fetch
from tests.catalog.making import make_product
from tests.orders.placing import ORDERS, place, user_id
from tests.statements import statements


async def test_customers_see_their_own_and_the_staff_see_all(admin, staff, customer, stranger, client):
    await make_product(admin, "A-1", inventory_quantity=5)
    mine, other = await place(customer, ("sku:A-1", 1)), await place(stranger, ("sku:A-1", 2))
    assert (await customer.get(ORDERS)).json()["results"] == [mine]
    assert (await stranger.get(ORDERS)).json()["results"] == [other]
    assert (await staff.get(ORDERS)).json()["results"] == [other, mine]
    assert (await client.get(ORDERS)).status_code == 401


async def test_nobody_filters_their_way_to_orders_of_others(admin, customer, stranger):
    await make_product(admin, "A-1", inventory_quantity=5)
    await place(customer, ("sku:A-1", 1))
    for query in (f"customer={await user_id(customer)}", "number=SO-000001", "email=carla@example.com", "product=1"):
        assert (await stranger.get(f"{ORDERS}?{query}")).json()["count"] == 0


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=placed", [3, 2]),
        ("status=cancelled", [1]),
        ("email=OFFICE@example.com", [2]),
        ("number=so-000003", [3]),
        ("source=api", [3, 2, 1]),
        ("source=web", []),
        ("product=2", [3, 2]),
        ("total__gte=3.00", [3, 2]),
        ("total__lte=2.99", [1]),
        ("placed_at__gte=2030-02-02", [3, 2]),
        ("placed_at__lte=2030-02-02T02:00:00%2B02:00", [2, 1]),
        ("customer=1", []),
        ("status=placed&product=1", [3]),
        ("ordering=placed_at", [1, 2, 3]),
        ("ordering=-placed_at&page_size=1&page=2", [2]),
    ],
)
async def test_filters_and_orders_say_what_they_mean(query, found, admin, staff):
    for sku, price in (("A-1", "1.00"), ("B-1", "3.00")):
        await make_product(admin, sku, inventory_quantity=9, price=price)
    await place(staff, ("sku:A-1", 1))
    await place(staff, ("sku:B-1", 1), email="office@example.com")
    await place(staff, ("sku:A-1", 1), ("sku:B-1", 1))
    for number in (1, 2, 3):
        when = datetime(2030, number, 2, tzinfo=UTC)
        await execute("UPDATE sales_order SET placed_at = $2 WHERE id = $1", number, when)
    await admin.post(f"{ORDERS}1/cancellation")
    answer = (await staff.get(f"{ORDERS}?{query}")).json()
    assert [order["id"] for order in answer["results"]] == found


@pytest.mark.parametrize(
    "query", ["status=lost", "colour=red", "customer=x", "placed_at__gte=x", "ordering=total", "page=0"]
)
async def test_what_the_list_does_not_understand_is_named(query, staff):
    refused = await staff.get(f"{ORDERS}?{query}")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, query.partition("=")[0])


async def test_a_cursor_walks_all_orders_once(admin, staff):
    await make_product(admin, "A-1", inventory_quantity=9)
    for _ in range(5):
        await place(staff, ("sku:A-1", 1))
    await execute("UPDATE sales_order SET placed_at = '2030-01-01Z' WHERE id <> 3")
    url, seen = f"{ORDERS}?after=&page_size=2&ordering=placed_at", []
    while url:
        page = (await staff.get(url)).json()
        seen += [order["id"] for order in page["results"]]
        url = page["next"]
    assert seen == [3, 1, 2, 4, 5]


async def test_the_lines_of_a_page_take_one_statement(admin, staff):
    await make_product(admin, "A-1", inventory_quantity=9)
    counted = []
    for _ in range(3):
        await place(staff, ("sku:A-1", 1))
        async with statements() as asked:
            assert (await staff.get(ORDERS)).status_code == 200
        counted.append(len(asked))
    assert counted[1:] == [2, 2]


INDEXED = ["customer=1", "email=c7@example.com", "number=x5", "product=1", "status=cancelled", "shopify_order_id=7"]
INDEXED += ["shopify_order_name=%2377"]


@pytest.mark.parametrize("query", INDEXED)
async def test_a_filter_of_a_long_list_walks_an_index(query, database):
    await execute("""
        INSERT INTO sales_order (id, number, customer, email, currency, total, source, shopify_order_id,
            shopify_order_name)
        SELECT n, 'X' || n, NULL, 'c' || n % 5000 || '@example.com', 'USD', 1, 'api', n, '#' || n
        FROM generate_series(1, 50000) AS n
    """)
    await execute("INSERT INTO product (sku, name) SELECT 'P-' || n, 'P' FROM generate_series(1, 500) AS n")
    await execute("""
        INSERT INTO sales_order_line (sales_order, product, sku, name, unit_price, quantity)
        SELECT n, 1 + n % 500, 'P', 'P', 1, 1 FROM generate_series(1, 5000) AS n
    """)
    # What a table held before, or whether PostgreSQL has looked at it since, is not to choose the plan.
    await execute("ANALYZE sales_order, sales_order_line")
    plan: list[str] = []

    async def explain(sql, *values):
        plan.extend(row["QUERY PLAN"] for row in await fetch(f"EXPLAIN {sql}", *values))
        return []

    await find_page(explain, ORDERS_LIST.read(f"{query}&count=none".encode()), COLUMNS, "sales_order o")
    assert "Index" in " ".join(plan)
    assert "Seq Scan on sales_order" not in " ".join(plan)
    assert "sales_order_pkey" not in " ".join(plan) or query == "product=1"
