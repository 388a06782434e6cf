"""Asking the shop: within what it allows, again where that helps, and with a clear sentence where it does not."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from domains.shopify import admin_api, queries
from domains.shopify.admin_api import AdminApi, ShopNotConfigured, ShopRefused, ShopUnavailable
from lib import egress
from settings import settings
from tests.shopify import shop_server
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import LOST, THROTTLED, TOKEN, ShopServer, Trouble, serving

SHOP = "{ shop { name } }"


class Time:
    """Passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def pause(self, seconds: float) -> None:
        if seconds > 0:
            self.pauses.append(seconds)
            self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in (admin_api, shop_server):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=time.monotonic))
    monkeypatch.setattr(admin_api, "pause", time.pause)
    return time


@pytest.fixture
async def server(time: Time, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShopServer]:
    async with serving(SimulatedShop()) as server, egress.opened():
        set_shop(monkeypatch, shopify_api_url=server.url, shopify_access_token=TOKEN)
        yield server


def set_shop(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr(admin_api, "settings", msgspec.structs.replace(settings, **changes))


async def list_skus() -> list[str | None]:
    return [node.sku async for page in queries.list_variants(AdminApi()) for node in page.nodes]


async def test_every_page_is_asked_for_once_and_in_order(server: ShopServer):
    skus = [server.shop.add_lamp(f"L-{number}").sku for number in range(230)]
    assert await list_skus() == skus
    assert [asked["variables"]["first"] for asked in server.requests] == [100, 100, 100]


async def test_a_full_page_costs_less_than_a_query_may(server: ShopServer):
    lamp = server.shop.add_lamp("L-1")
    place = server.shop.add_location()
    server.shop.stock(lamp, place, 4)
    api = AdminApi()
    assert len([page async for page in queries.list_variants(api)]) == 1
    (location,) = await queries.list_locations(api)
    assert [page.nodes[0].available async for page in queries.list_levels(api, location)] == [4]
    assert server.costs == [902, 52, 753]


async def test_we_wait_until_the_next_query_fits(server: ShopServer, time: Time):
    for number in range(250):
        server.shop.add_lamp(f"L-{number}")
    server.capacity, server.restore_rate, server.available = 1000, 50, 1000
    assert len(await list_skus()) == 250
    assert server.throttled == 0
    # 98 points are left after the first page of 902, and every second brings 50.
    assert time.pauses == pytest.approx([(902 - 98) / 50, 902 / 50], abs=0.2)


async def test_a_question_that_is_new_waits_for_the_dearest_there_may_be(server: ShopServer, time: Time):
    server.capacity, server.restore_rate, server.available = 1000, 50, 1000
    api = AdminApi()
    assert len([page async for page in queries.list_variants(api)]) == 1
    assert await queries.list_locations(api) == []
    assert (server.throttled, time.pauses) == (0, [pytest.approx(902 / 50, abs=0.2)])


async def test_what_somebody_else_has_used_up_is_waited_for(server: ShopServer, time: Time):
    server.capacity, server.restore_rate, server.available = 1000, 50, 0
    server.shop.add_lamp("L-1")
    assert await list_skus() == ["L-1"]
    assert (server.throttled, time.pauses) == (1, [pytest.approx(902 / 50, abs=0.2)])


async def test_a_shop_that_says_how_long_to_wait_is_heard(server: ShopServer, time: Time):
    server.troubles = [Trouble(429, headers={"Retry-After": "7.5"}), Trouble(503, headers={"Retry-After": "1e9"})]
    assert await AdminApi().ask(SHOP) == {"shop": {"name": "Lamps"}}
    assert time.pauses == [7.5, 60]


async def test_what_passes_is_asked_again_after_longer_and_longer(server: ShopServer, time: Time):
    failed = '{"errors": [{"message": "Oops", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}'
    server.troubles = [Trouble(502), LOST, Trouble(200, "{"), Trouble(200, failed), Trouble(429)]
    assert await AdminApi().ask(SHOP) == {"shop": {"name": "Lamps"}}
    assert time.pauses == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("trouble", [Trouble(500), LOST, THROTTLED, Trouble(429)])
async def test_what_does_not_pass_is_given_up(server: ShopServer, trouble: Trouble):
    server.troubles = [trouble] * 20
    with pytest.raises(ShopUnavailable, match="It was asked 8 times"):
        await AdminApi().ask(SHOP)
    assert len(server.requests) == 8


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (Trouble(401), "does not accept our token .401.: SHOPIFY_ACCESS_TOKEN"),
        (Trouble(402), "frozen the shop"),
        (Trouble(403), "refuses the app access"),
        (Trouble(404), "no such shop"),
        (Trouble(301, headers={"Location": "https://elsewhere.example/"}), "answers with 301: is SHOPIFY_SHOP"),
        (Trouble(200, '{"errors": "Not today"}'), "refuses: Not today"),
        (Trouble(200, '{"errors": [{"message": "Access denied", "path": ["shop"]}], "data": {}}'), "Access denied"),
        (Trouble(200, '{"data": null}'), "holds no data"),
    ],
)
async def test_a_refusal_ends_it_with_a_sentence(server: ShopServer, trouble: Trouble, sentence: str):
    server.troubles = [trouble] * 2
    with pytest.raises(ShopRefused, match=sentence):
        await AdminApi().ask(SHOP)
    assert len(server.requests) == 1


async def test_the_token_is_in_no_sentence_and_no_log(
    running_app: None, server: ShopServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    set_shop(monkeypatch, shopify_api_url=server.url, shopify_access_token="shpat_wrong")
    server.troubles = [Trouble(500)]
    with pytest.raises(ShopRefused) as refused:
        await AdminApi().ask(SHOP)
    assert "shopify_asked_again" in caplog.text
    assert "shpat" not in caplog.text + refused.value.detail


async def test_a_query_that_costs_too_much_is_refused(server: ShopServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queries, "VARIANTS_A_PAGE", 250)
    with pytest.raises(ShopRefused, match="Query cost is 2252"):
        await list_skus()


async def test_without_a_shop_nothing_is_asked(monkeypatch: pytest.MonkeyPatch):
    set_shop(monkeypatch, shopify_shop="lamps-and-more.myshopify.com")
    with pytest.raises(ShopNotConfigured, match="SHOPIFY_ACCESS_TOKEN"):
        AdminApi()


async def test_the_address_follows_from_shop_and_version(monkeypatch: pytest.MonkeyPatch):
    set_shop(monkeypatch, shopify_shop="lamps-and-more.myshopify.com", shopify_access_token=TOKEN)
    assert AdminApi().url == "https://lamps-and-more.myshopify.com/admin/api/2026-04/graphql.json"


async def test_a_shop_at_a_private_address_needs_an_address_of_its_own(time: Time, monkeypatch: pytest.MonkeyPatch):
    set_shop(monkeypatch, shopify_shop="127.0.0.1", shopify_access_token=TOKEN)
    async with egress.opened():
        with pytest.raises(ShopUnavailable, match="must not be reached"):
            await AdminApi().ask(SHOP)
    assert time.pauses == []


async def test_an_answer_of_a_megabyte_is_read_whole(server: ShopServer):
    lamp = server.shop.add_lamp("L-1")
    server.shop.products[lamp.product_id].description = "x" * 1_000_000
    (page,) = [page async for page in queries.list_variants(AdminApi())]
    assert len(page.nodes[0].product.description_html) == 1_000_000


async def test_an_answer_that_is_too_large_is_refused(server: ShopServer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(admin_api, "LARGEST_REPLY_BYTES", 1000)
    for number in range(10):
        server.shop.add_lamp(f"L-{number}")
    with pytest.raises(ShopRefused, match="is larger than"):
        await list_skus()


@pytest.mark.parametrize(
    "connection",
    [
        None,
        {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": None}},
        {"nodes": [{"id": 1}], "pageInfo": {"hasNextPage": False}},
        {"nodes": None, "pageInfo": {"hasNextPage": False}},
        {"nodes": []},
    ],
)
async def test_an_answer_of_another_shape_is_not_nothing(server: ShopServer, connection: object):
    server.troubles = [Trouble(200, json.dumps({"data": {"productVariants": connection}}))]
    with pytest.raises(ShopRefused):
        await list_skus()


async def test_a_shop_that_goes_round_in_circles_is_left(server: ShopServer):
    page = {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "same"}}
    server.troubles = [Trouble(200, json.dumps({"data": {"productVariants": page}}))] * 3
    with pytest.raises(ShopRefused, match="not where"):
        await list_skus()


async def test_a_page_is_as_old_as_the_question(server: ShopServer):
    before = datetime.now(UTC)
    (page,) = [page async for page in queries.list_variants(AdminApi())]
    assert before <= page.asked_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("gid", "number"),
    [
        ("gid://shopify/ProductVariant/9223372036854775807", 2**63 - 1),
        ("gid://shopify/InventoryLevel/5?inventory_item_id=7", 5),
    ],
)
def test_ids_have_64_bits(gid: str, number: int):
    assert queries.id_of(gid) == number


@pytest.mark.parametrize("gid", ["", "7", "gid://shopify/Product/", f"gid://shopify/Product/{2**63}", "gid://x/y/-1"])
def test_what_is_no_id_is_refused(gid: str):
    with pytest.raises(ShopRefused):
        queries.id_of(gid)
