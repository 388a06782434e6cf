"""Locations: one default, which is active; deactivated when empty, deleted only without history."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from domains.catalog.proof import find_differences
from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from domains.inventory.locations import find_location
from lib.errors import BadInput
from piccolo_conf import execute, fetch_value, transaction
from tests.catalog.making import make_product
from tests.inventory.shelves import ADJUST, LOCATIONS, adjust, default_location, make_location, wrong_fields


@pytest.fixture(autouse=True)
async def the_first_default(database: None) -> AsyncIterator[None]:
    """The row that every other test expects is put back as it was."""
    yield
    await execute("TRUNCATE stock_movement, stock_level")
    await execute("UPDATE location SET is_default = false WHERE code <> 'main'")
    await execute("UPDATE location SET is_default = true, is_active = true WHERE code = 'main'")


async def flags(client: httpx.AsyncClient) -> dict[str, tuple[bool, bool]]:
    """(is_default, is_active) by code."""
    found = (await client.get(LOCATIONS)).json()["results"]
    return {row["code"]: (row["is_default"], row["is_active"]) for row in found}


async def test_a_location_is_made_read_changed_and_deleted(staff: httpx.AsyncClient) -> None:
    made = await staff.post(LOCATIONS, json={"code": " shop ", "name": " The shop "})
    assert made.headers["location"] == f"/api/locations/{made.json()['id']}"
    url = made.headers["location"]
    expected = {"id": made.json()["id"], "code": "shop", "name": "The shop", "is_default": False, "is_active": True}
    assert (await staff.get(url)).json() == expected | {"shopify_location_id": None}
    changed = await staff.patch(url, json={"name": "Corner shop", "shopify_location_id": 2**40})
    assert changed.json() == expected | {"name": "Corner shop", "shopify_location_id": 2**40}
    assert (await staff.delete(url)).status_code == 204
    assert (await staff.get(url)).status_code == 404


async def test_an_unknown_location_is_not_found(staff: httpx.AsyncClient) -> None:
    for number in (0, 987654321, 2**31, 10**30):
        url = f"{LOCATIONS}{number}"
        answers = [await staff.get(url), await staff.patch(url, json={"name": "x"}), await staff.delete(url)]
        assert {answer.status_code for answer in answers} == {404}


async def test_locations_are_listed_filtered_and_sorted(staff: httpx.AsyncClient) -> None:
    await make_location(staff, "b-shop")
    await make_location(staff, "A-store", is_active=False)

    async def codes(**query: str) -> list[str]:
        return [row["code"] for row in (await staff.get(LOCATIONS, params=query)).json()["results"]]

    assert await codes() == ["main", "b-shop", "A-store"]
    assert await codes(ordering="code") == ["A-store", "b-shop", "main"]
    assert (await codes(is_active="false"), await codes(code="B-SHOP")) == (["A-store"], ["b-shop"])
    assert (await codes(search="the store"), await codes(is_default="true")) == (["A-store"], ["main"])
    assert (await staff.get(LOCATIONS, params={"colour": "red"})).status_code == 400


async def test_a_code_belongs_to_one_location_whatever_its_case(staff: httpx.AsyncClient) -> None:
    await make_location(staff, "shop", shopify_location_id=7)
    taken = await staff.post(LOCATIONS, json={"code": "SHOP", "name": "x"})
    assert (taken.status_code, taken.json()["code"]) == (409, "location_code_taken")
    same = await staff.post(LOCATIONS, json={"code": "other", "name": "x", "shopify_location_id": 7})
    assert (same.status_code, same.json()["code"]) == (409, "shopify_location_taken")
    renamed = await staff.patch(f"{LOCATIONS}{await default_location(staff)}", json={"code": "Shop"})
    assert renamed.json()["errors"][0]["field"] == "code"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "code"),
        ({"code": " ", "name": "x"}, "code"),
        ({"code": "a\nb", "name": "x"}, "code"),
        ({"code": "c" * 51, "name": "x"}, "code"),
        ({"code": "c", "name": ""}, "name"),
        ({"code": "c", "name": "x", "colour": 1}, "colour"),
        ({"code": "c", "name": "x", "shopify_location_id": 2**63}, "shopify_location_id"),
        ({"code": "c", "name": "x", "is_default": True, "is_active": False}, "is_active"),
    ],
)
async def test_a_wrong_field_is_named(staff: httpx.AsyncClient, body: dict[str, object], field: str) -> None:
    assert wrong_fields(await staff.post(LOCATIONS, json=body)) == [field]
    assert await flags(staff) == {"main": (True, True)}


async def test_the_flag_of_the_default_moves(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff, "shop", is_default=True)
    assert await flags(staff) == {"main": (False, True), "shop": (True, True)}
    product = await make_product(staff, inventory_quantity=3)
    assert await fetch_value("SELECT on_hand FROM stock_level WHERE location = $1", shop) == 3
    moved = await staff.patch(f"{LOCATIONS}{await find_location('main')}", json={"is_default": True})
    assert moved.json()["is_default"]
    assert await flags(staff) == {"main": (True, True), "shop": (False, True)}
    assert (product["inventory_quantity"], await find_differences()) == (3, [])


async def test_there_is_always_a_default_and_it_is_active(staff: httpx.AsyncClient) -> None:
    main = f"{LOCATIONS}{await default_location(staff)}"
    shop = f"{LOCATIONS}{await make_location(staff, 'shop', is_active=False)}"
    for refused in (
        await staff.patch(main, json={"is_default": False}),
        await staff.patch(main, json={"is_active": False}),
        await staff.delete(main),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "default_location_stays")
    assert wrong_fields(await staff.patch(shop, json={"is_default": True})) == ["is_active"]
    assert (await staff.patch(shop, json={"is_default": True, "is_active": True})).status_code == 200
    assert await flags(staff) == {"main": (False, True), "shop": (True, True)}


async def test_a_location_with_stock_stays_active(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff)
    product = await make_product(staff)
    await adjust(staff, product["id"], delta=1, location="shop")
    refused = await staff.patch(f"{LOCATIONS}{shop}", json={"is_active": False})
    assert (refused.status_code, refused.json()["code"]) == (409, "location_holds_stock")
    await adjust(staff, product["id"], delta=-1, location="shop")
    assert (await staff.patch(f"{LOCATIONS}{shop}", json={"is_active": False})).json()["is_active"] is False
    assert wrong_fields(await staff.post(ADJUST, json={"product": 1, "delta": 1, "location": "shop"})) == ["location"]
    assert await find_differences() == []


async def test_a_location_with_history_is_not_deleted(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff)
    product = await make_product(staff)
    for delta in (1, -1):
        await adjust(staff, product["id"], delta=delta, location="shop")
    await staff.delete(f"/api/products/{product['id']}")
    refused = await staff.delete(f"{LOCATIONS}{shop}")
    assert (refused.status_code, refused.json()["code"]) == (409, "location_has_history")
    assert "deactivate it" in refused.json()["detail"]


async def test_a_reference_is_an_id_or_a_code_whatever_its_case(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff, "Shop")
    assert [await find_location(ref) for ref in (shop, "shop", " SHOP ", str(shop))] == [shop] * 4
    for wrong in ("nowhere", shop + 1, "", "1 OR true"):
        with pytest.raises(BadInput) as refused:
            await find_location(wrong, "from_location")
        assert refused.value.errors[0].field == "from_location"


async def test_of_a_code_and_an_id_that_look_alike_the_text_is_the_code(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff, "shop")
    twin = await make_location(staff, str(shop))
    assert (await find_location(str(shop)), await find_location(shop)) == (twin, shop)


async def test_a_booking_under_way_keeps_its_location_active(staff: httpx.AsyncClient) -> None:
    shop = await make_location(staff)
    product = await make_product(staff)
    found = asyncio.Event()

    async def book() -> None:
        async with transaction():
            place = await find_location("shop")
            found.set()
            await asyncio.sleep(0.5)
            await move_stock([Move(product["id"], 1, place)], reason=Reason.ADJUSTMENT)

    async def deactivate() -> httpx.Response:
        await found.wait()
        return await staff.patch(f"{LOCATIONS}{shop}", json={"is_active": False})

    _booked, refused = await asyncio.gather(book(), deactivate())
    assert refused.json()["code"] == "location_holds_stock"
    assert (await flags(staff))["shop"] == (False, True)


async def test_the_old_default_stays_active_for_bookings_that_took_it(staff: httpx.AsyncClient) -> None:
    main, shop = await find_location("main"), await make_location(staff)
    # With a level there already, so that booking does not touch the location's row.
    product = await make_product(staff, stock=1)
    await adjust(staff, product["id"], quantity=0)
    booked = asyncio.Event()

    async def book() -> None:
        async with transaction():
            await move_stock([Move(product["id"], 1)], reason=Reason.ADJUSTMENT)
            booked.set()
            await asyncio.sleep(0.5)

    async def leave() -> httpx.Response:
        await booked.wait()
        assert (await staff.patch(f"{LOCATIONS}{shop}", json={"is_default": True})).status_code == 200
        return await staff.patch(f"{LOCATIONS}{main}", json={"is_active": False})

    _booked, refused = await asyncio.gather(book(), leave())
    assert refused.json()["code"] == "location_holds_stock"


async def test_of_many_new_defaults_at_once_one_is_left(staff: httpx.AsyncClient) -> None:
    product = await make_product(staff)
    bookings = (adjust(staff, product["id"], delta=1) for _ in range(20))
    made = (make_location(staff, f"w{number}", is_default=True) for number in range(8))
    await asyncio.gather(*made, *bookings)
    assert sum(is_default for is_default, _active in (await flags(staff)).values()) == 1
    assert await fetch_value("SELECT inventory_quantity FROM product") == 20
    assert await find_differences() == []


async def test_who_may(client: httpx.AsyncClient, customer: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    shop = await make_location(admin)
    for somebody, status in ((client, 401), (customer, 403)):
        assert (await somebody.get(LOCATIONS)).status_code == status
        assert (await somebody.post(LOCATIONS, json={"code": "x", "name": "x"})).status_code == status
        assert (await somebody.patch(f"{LOCATIONS}{shop}", json={"name": "x"})).status_code == status
        assert (await somebody.delete(f"{LOCATIONS}{shop}")).status_code == status
