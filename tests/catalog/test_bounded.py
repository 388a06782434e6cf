"""Large tables: pages found in bounded statements are the pages that one plain statement finds."""

import itertools
from typing import Any

import httpx
import pytest

from domains.catalog import bounded, counts
from lib import totals
from piccolo_conf import execute
from tests.catalog.test_list import LIST, follow, make_many

FILTERS: list[dict[str, str]] = [
    {},
    {"is_active": "true"},
    {"is_active": "false"},
    {"brand": "Acme"},
    {"brand": "Acme", "color": "red"},
    {"brand": "nobody's"},
    {"price__gte": "8"},
    {"price__lte": "2", "stock__gte": "2"},
    {"created_at__lte": "2026-01-03"},
    {"updated_at__lte": "2126-01-01"},
    {"search": "lamp"},
    {"search": "lamp 97"},
    {"search": "98"},
    {"name__icontains": "chair 9", "brand": "Acme"},
    {"description__icontains": "wool"},
    {"id__in": "5,6,7,300"},
    {"sku": "p-017"},
]
ORDERINGS = ["", "id", "price", "-price", "name", "-sku", "-created_at", "price,-name", "-stock,price,sku"]


@pytest.fixture
def _tiny_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few rows count as many that every way, and every end of a way, is taken."""
    monkeypatch.setattr(totals, "COUNTED_EXACTLY", 25)
    monkeypatch.setattr(bounded, "STEP_ROWS", 15)
    monkeypatch.setattr(bounded, "STEP_ROWS_IN_FILE_ORDER", 30)
    monkeypatch.setattr(bounded, "MOST_STEPS", 3)
    monkeypatch.setattr(bounded, "SWEEP_BLOCKS", 2)
    monkeypatch.setattr(bounded, "FAR_OFFSET", 60)
    # Nor do 40 ms decide on a busy machine what is counted.
    monkeypatch.setattr(counts, "LONGEST_MILLISECONDS", 30_000)
    totals.forget()


async def make_known(number: int) -> None:
    """And let the planner know how many they are."""
    await make_many(number)
    await execute("ANALYZE product")
    totals.forget()


async def pages(client: httpx.AsyncClient) -> dict[tuple[Any, ...], list[int]]:
    found = {}
    for filters, ordering, offset in itertools.product(FILTERS, ORDERINGS, [0, 10, 70]):
        query = filters | {"page_size": "6", "offset": str(offset)} | ({"ordering": ordering} if ordering else {})
        response = await client.get(LIST, params=query)
        assert response.status_code == 200, response.text
        found[*filters.values(), ordering, offset] = [row["id"] for row in response.json()["results"]]
    return found


@pytest.mark.usefixtures("_tiny_bounds")
async def test_every_bounded_page_is_the_plain_one(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await make_known(120)
    found = await pages(staff)
    monkeypatch.setattr(totals, "COUNTED_EXACTLY", 25_000)
    totals.forget()
    assert found == await pages(staff)


@pytest.mark.usefixtures("_tiny_bounds")
@pytest.mark.parametrize("ordering", ORDERINGS[1:])
@pytest.mark.parametrize("filters", ["brand=Acme", "search=lamp", "is_active=false"])
async def test_a_cursor_walks_bounded_pages_to_the_end(
    staff: httpx.AsyncClient, filters: str, ordering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_known(120)
    walked = await follow(staff, f"{LIST}?{filters}&ordering={ordering}&page_size=9&after=")
    monkeypatch.setattr(totals, "COUNTED_EXACTLY", 25_000)
    totals.forget()
    assert walked == await follow(staff, f"{LIST}?{filters}&ordering={ordering}&page_size=100")


@pytest.mark.usefixtures("_tiny_bounds")
async def test_counts_of_large_lists_are_estimates_and_say_so(staff: httpx.AsyncClient) -> None:
    await make_known(120)
    everything = (await staff.get(LIST)).json()
    assert everything["count_is_exact"] is False
    many = (await staff.get(LIST, params={"search": "lamp"})).json()
    assert many["count_is_exact"] is False
    few = (await staff.get(LIST, params={"is_active": "false", "page_size": "5"})).json()
    assert (few["count"], few["count_is_exact"]) == (17, True)
    forced = (await staff.get(LIST, params={"search": "lamp", "count": "exact"})).json()
    assert (forced["count"], forced["count_is_exact"]) == (60, True)


@pytest.mark.usefixtures("_tiny_bounds")
async def test_a_count_that_takes_too_long_becomes_an_estimate(
    staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_known(120)
    monkeypatch.setattr(counts, "LONGEST_MILLISECONDS", 40)
    slow = "SELECT count(*) FROM (SELECT pg_sleep(0.5) FROM product {where} OFFSET 0) AS m LIMIT {most}"
    monkeypatch.setattr(counts, "COUNT", slow)
    page = (await staff.get(LIST, params={"is_active": "false", "page_size": "5"})).json()
    assert page["count_is_exact"] is False
    assert len(page["results"]) == 5
