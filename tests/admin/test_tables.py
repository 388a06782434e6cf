"""What each table shows, and that what is read-only or secret stays so."""

import html
from typing import Any

import httpx
import pytest

from admin import crud
from admin.catalogue import TABLES as CONFIGS
from admin.editors import EDITORS
from piccolo_conf import execute, fetch
from tests.admin.visiting import SITE, TABLES

NAMES = [config.table_class._meta.tablename for config in CONFIGS]
EDITABLE = {table._meta.tablename for table in EDITORS}
READ_ONLY = sorted(set(NAMES) - EDITABLE)
ABSENT = ["user_session", "admin_session", "idempotency_record", "authenticator_secret", "avatar", "migration"]
ABSENT += ["shopify_version", "shopify_listed", "parked_sku"]
SECRETS = {
    "users": {"password"},
    "api_key": {"digest"},
    "one_time_code": {"link_digest", "code_digest"},
    "mail": {"text", "html"},
    "import_job": {"file_key"},
    "webhook_endpoint": {"secrets"},
}
GROUPS = {"Accounts", "Catalogue", "Imports", "Log", "Mail", "Purchases", "Sales", "Schedules", "Shopify", "Stock"}
GROUPS |= {"Webhooks"}
FILL = """
INSERT INTO product (sku, name, price, brand, created_at)
    SELECT 'P-' || n, 'Lamp ' || n, n, CASE n % 2 WHEN 0 THEN 'Forge' ELSE 'Mill' END, '2026-01-01'::date + n
    FROM generate_series(1, 40) AS n;
INSERT INTO stock_level (product, location, on_hand) SELECT p.id, l.id, 3 FROM product p, location l LIMIT 1;
INSERT INTO stock_movement (product_id, sku, location, delta, on_hand_after, reason)
    SELECT 1, 'P-1', id, 3, 3, 'count' FROM location;
INSERT INTO low_stock_notification (product, sku, message, stock, threshold) VALUES (1, 'P-1', 'Stock is low.', 3, 5);
INSERT INTO sales_order (number, currency, total, source, customer) SELECT 'SO-000001', 'USD', 2, 'api', id FROM users;
INSERT INTO sales_order_line (sales_order, product, sku, name, unit_price, quantity) VALUES (1, 1, 'P-1', 'Lamp', 1, 2);
INSERT INTO sales_refund (sales_order, shopify_refund_id, amount, refunded_at) VALUES (1, 929361462, 2, now());
INSERT INTO delivery (sales_order, assigned_to) SELECT 1, id FROM users;
INSERT INTO purchase_order (number, supplier_name, currency) VALUES ('PO-000001', 'Acme', 'USD');
INSERT INTO purchase_order_line (purchase_order, product, sku, name, unit_cost, quantity)
    VALUES (1, 1, 'P-1', 'Lamp', 1, 2);
INSERT INTO receipt (purchase_order, location) SELECT 1, id FROM location;
INSERT INTO receipt_line (receipt, order_line, quantity) VALUES (1, 1, 2);
INSERT INTO schedule_run (schedule, due_at) SELECT id, now() FROM schedule;
INSERT INTO mail ("to", template, subject, text, html) VALUES ('a@example.com', 't', 'Hello', 'SECRET', 'SECRET');
INSERT INTO api_key (owner, name, prefix, digest, scopes)
    SELECT id, 'till', 'sk_abc', '\\x5ec2e7', '{products:read}' FROM users;
INSERT INTO one_time_code ("user", purpose, email, link_digest, code_digest, code_expires_at, expires_at)
    SELECT id, 'verify_email', email, '\\x5ec2e7', '\\x5ec2e7', now(), now() FROM users;
INSERT INTO known_address ("user", network) SELECT id, '192.0.2.0' FROM users;
INSERT INTO import_job (id, filename, requested_by, file_key)
    SELECT '7c7db6dd-c770-4413-9aca-8c38a019ecf7', 'a.csv', id, 'SECRET' FROM users;
INSERT INTO import_row_error (job, row_number, message) SELECT id, 1, 'bad' FROM import_job;
INSERT INTO import_preview_row (job, row_number, action) SELECT id, 1, 'create' FROM import_job;
INSERT INTO bulk_job (id, kind) VALUES ('7c7db6dd-c770-4413-9aca-8c38a019ecf8', 'update');
INSERT INTO webhook_endpoint (url, event_types, secrets)
    VALUES ('https://example.com/a', '{*}', '[{"sealed": "SECRET"}]');
INSERT INTO webhook_delivery (event, endpoint, state) SELECT min(id), 1, 'failed' FROM event;
INSERT INTO webhook_attempt (endpoint, delivery, started_at, status_code) VALUES (1, 1, now(), 500);
INSERT INTO inbound_webhook (topic, webhook_id, state, reason, processed_at)
    VALUES ('inventory_levels/update', 'w-1', 'parked', 'unknown_item', now());
INSERT INTO shopify_reconciliation (state, finished_at) VALUES ('completed', now());
INSERT INTO webhook_tally (endpoint_id, failed_attempts) VALUES (1, 1);
UPDATE users SET password = 'SECRET';
"""


@pytest.fixture
async def filled(site: httpx.AsyncClient) -> httpx.AsyncClient:
    await execute(FILL)
    return site


async def rows(client: httpx.AsyncClient, table: str, **query: Any) -> list[dict[str, Any]]:
    response = await client.get(f"{TABLES}/{table}/", params=query)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["rows"]
    return found


async def test_tables_are_in_groups(site: httpx.AsyncClient) -> None:
    found = (await site.get(f"{TABLES}/grouped/")).json()
    assert set(found["grouped"]) == GROUPS
    assert found["ungrouped"] == []
    assert (await site.get(f"{TABLES}/")).json() == sorted(NAMES)


@pytest.mark.parametrize("table", NAMES)
async def test_a_table_answers_as_its_page_asks(filled: httpx.AsyncClient, table: str) -> None:
    schema = (await filled.get(f"{TABLES}/{table}/schema/")).json()
    order = ",".join(("" if by["ascending"] else "-") + by["column"] for by in schema["extra"]["order_by"])
    query = {"__readable": "true", "__order": order, "__page": "1", "__page_size": "15"}
    found = await rows(filled, table, **query)
    assert 1 <= len(found) <= 15
    assert set(schema["extra"]["visible_column_names"]) <= set(found[0])
    assert schema["extra"]["help_text"]
    assert (await filled.get(f"{TABLES}/{table}/count/")).json()["count"] >= len(found)
    assert (await filled.get(f"{TABLES}/{table}/{found[0]['id']}/?__readable=true")).status_code == 200
    assert (await filled.get(f"{TABLES}/{table}/ids/?limit=6&search=a")).status_code == 200
    assert (await filled.get(f"{TABLES}/{table}/references/")).status_code == 200
    assert (await filled.get(f"{TABLES}/{table}/new/")).status_code == 200


@pytest.mark.parametrize("table", NAMES)
async def test_every_column_of_a_list_is_described(site: httpx.AsyncClient, table: str) -> None:
    """Its page stops at one that is not: Piccolo leaves out the id, which may be shown or exported."""
    schema = (await site.get(f"{TABLES}/{table}/schema/")).json()
    extra, properties = schema["extra"], schema["properties"]
    assert extra["link_column_name"] in extra["visible_column_names"]
    assert {"id", *extra["visible_column_names"], *extra["visible_filter_names"]} <= set(properties)


@pytest.mark.parametrize("table", READ_ONLY)
async def test_a_log_is_only_read(filled: httpx.AsyncClient, table: str) -> None:
    row = (await rows(filled, table))[0]
    path = f"{TABLES}/{table}/"
    assert (await filled.post(path, json=row)).status_code == 405
    for method in ("PUT", "PATCH", "DELETE"):
        assert (await filled.request(method, f"{path}{row['id']}/", json={})).status_code == 405
    assert (await filled.delete(path)).status_code == 405
    assert await rows(filled, table, id=row["id"]) == [row]


@pytest.mark.parametrize("table", sorted(EDITABLE))
async def test_nothing_deletes_a_whole_table(filled: httpx.AsyncClient, table: str) -> None:
    assert (await filled.delete(f"{TABLES}/{table}/")).status_code == 405
    assert await rows(filled, table)


@pytest.mark.parametrize("table", ABSENT)
async def test_a_table_of_secrets_is_not_there(site: httpx.AsyncClient, table: str) -> None:
    for path in ("", "schema/", "count/", "ids/?limit=5", "new/", "1/"):
        assert (await site.get(f"{TABLES}/{table}/{path}")).status_code == 404


@pytest.mark.parametrize(("table", "columns"), SECRETS.items())
async def test_a_secret_column_is_in_no_answer(filled: httpx.AsyncClient, table: str, columns: set[str]) -> None:
    found = await rows(filled, table)
    paths = ["?__readable=true", "schema/", "new/", "ids/?limit=5", f"{found[0]['id']}/"]
    answers = [(await filled.get(f"{TABLES}/{table}/{path}")).text for path in paths]
    assert "SECRET" not in "".join(answers)
    assert "5ec2e7" not in "".join(answers)
    assert not columns & set(found[0])
    for column in columns:
        asking = {"__order": column}, {"__visible_fields": column}, {column: "SECRET"}, {f"{column}__gte": "a"}
        for query in asking:
            assert (await filled.get(f"{TABLES}/{table}/", params=query)).status_code == 400


async def test_another_table_is_not_read_through_a_foreign_key(filled: httpx.AsyncClient) -> None:
    for query in ({"__visible_fields": "owner.password"}, {"__order": "owner.password"}):
        assert (await filled.get(f"{TABLES}/api_key/", params=query)).status_code == 400


async def test_a_row_is_called_by_its_name_where_another_refers_to_it(filled: httpx.AsyncClient) -> None:
    assert (await rows(filled, "stock_level", __readable="true"))[0]["product_readable"] == "P-1"
    assert (await rows(filled, "import_job", __readable="true"))[0]["requested_by_readable"] == "ada"


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"price__gte": "10", "price__lte": "19"}, 10),
        ({"price": "10", "price__operator": "gt"}, 30),
        ({"created_at__gte": "2026-02-01T00:00:00Z", "created_at__lt": "2026-02-03T00:00:00Z"}, 2),
        ({"search": "lamp 39"}, 1),
        ({"sku__istartswith": "p-1"}, 11),
        ({"sku": "P-1", "sku__match": "exact"}, 1),
        ({"sku": "p-1"}, 11),
        ({"name": "AMP 3", "sku": "9"}, 1),
        ({"name": "lamp", "name__match": "ends"}, 0),
        ({"brand": "org"}, 20),
        ({"brand": "Forge", "brand__match": "exact", "price__gt": "30"}, 5),
        ({"is_active": "true", "stock__lte": "0"}, 40),
        ({"id__in": "1,2,3"}, 3),
    ],
)
async def test_filters_narrow_list_and_count_alike(
    filled: httpx.AsyncClient, query: dict[str, str], count: int
) -> None:
    assert len(await rows(filled, "product", **query, __page_size="100")) == count
    assert (await filled.get(f"{TABLES}/product/count/", params=query)).json()["count"] == count


@pytest.mark.parametrize(
    "query",
    [
        {"nothing": "1"},
        {"nothing__gte": "1"},
        {"price__gte": "dear"},
        {"options": "{}"},
        {"options__gte": "{}"},
        {"__order": "nothing"},
        {"__order": "-"},
        {"__page_size": "-1"},
        {"__page_size": "5000"},
        {"__page": "99999999999999999999999"},
        {"price__operator": "drop"},
        {"id": "99999999999"},
        {"created_at__gte": "tomorrow"},
        {"search": "x" * 600},
        {"id__in": "a"},
        {"price__operator": ["gt", "lt"]},
        {"__page": ["1", "2"]},
        {"__page_size": ["1", "2"]},
        {"__order": "sku.like"},
        {"__order": "sku._meta"},
        {"__visible_fields": "sku.ilike"},
        {"__visible_fields": "id,sku.__class__"},
        {"__range_header": "true", "__range_header_name": "€"},
        {"price__gte": "null"},
    ],
)
async def test_a_bad_question_is_refused(filled: httpx.AsyncClient, query: dict[str, str | list[str]]) -> None:
    response = await filled.get(f"{TABLES}/product/", params=query)
    assert response.status_code in {400, 403, 422}, response.text
    assert len(response.text) < 2000


@pytest.mark.parametrize("path", ["product/0/", "product/99999999999/", "product/x/", "import_job/x/", "product/7777/"])
async def test_a_row_that_is_not_there_is_told(site: httpx.AsyncClient, path: str) -> None:
    assert (await site.get(f"{TABLES}/{path}")).status_code in {400, 404}


@pytest.mark.parametrize("limit", ["", "?limit=", "?limit=0", "?limit=101", "?limit=-1", "?limit=9999999"])
async def test_names_to_choose_from_come_a_few_at_a_time(filled: httpx.AsyncClient, limit: str) -> None:
    assert (await filled.get(f"{TABLES}/product/ids/{limit}")).status_code in {400, 422}


async def test_a_large_table_is_counted_by_estimate(filled: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await execute("ANALYZE product")
    monkeypatch.setattr(crud, "COUNTED_EXACTLY", 30)
    await execute("DELETE FROM product WHERE id = 40")
    assert (await filled.get(f"{TABLES}/product/count/?__order=id")).json()["count"] == 40
    assert (await filled.get(f"{TABLES}/product/count/?price__gte=0")).json()["count"] == 39
    assert (await filled.get(f"{TABLES}/product/count/?color__operator=not_null")).json()["count"] == 0


@pytest.mark.parametrize("name", ["search", "name", "name__icontains"])
async def test_the_word_null_is_a_word(filled: httpx.AsyncClient, name: str) -> None:
    await execute("UPDATE product SET name = 'Null' WHERE id = 1; UPDATE product SET name = 'None' WHERE id = 2")
    assert [row["id"] for row in await rows(filled, "product", **{name: "null"})] == [1]
    assert (await filled.get(f"{TABLES}/product/count/", params={name: "null"})).json()["count"] == 1


async def test_the_page_knows_what_is_read_only(site: httpx.AsyncClient) -> None:
    page = (await site.get(f"{SITE}/")).text
    assert 'editable":["product","users","location","schedule","webhook_endpoint"]' in html.unescape(page)
    assert "inventory_quantity" in page


async def test_every_table_is_shown_or_known_to_be_absent(site: httpx.AsyncClient) -> None:
    """A new table needs its place in the catalogue of the site, or here among the absent."""
    found = await fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row["tablename"] for row in found} == {*NAMES, *ABSENT}


@pytest.mark.parametrize(
    ("table", "ids"), [("location", "99999999999"), ("import_job", "7"), ("event", "1,x"), ("event", "")]
)
async def test_ids_that_no_row_can_have_are_refused(site: httpx.AsyncClient, table: str, ids: str) -> None:
    response = await site.get(f"{TABLES}/{table}/", params={"id__in": ids})
    assert response.status_code in {400, 404, 422}, response.text
