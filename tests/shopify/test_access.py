"""The Admin API is opened by a token that stays, or by one that the app gets for its id and secret."""

from collections.abc import AsyncIterator

import pytest

from domains.shopify.access import Token
from domains.shopify.admin_api import AdminApi, ShopNotConfigured, ShopRefused
from lib import egress
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import CLIENT_ID, LOST, ShopServer, serving
from tests.shopify.test_admin_api import SHOP, Time, set_shop, time  # noqa: F401 - A fixture.


@pytest.fixture
async def server(time: Time, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShopServer]:  # noqa: F811
    async with serving(SimulatedShop()) as server, egress.opened():
        set_shop(monkeypatch, shopify_api_url=server.url, shopify_client_id=CLIENT_ID)
        yield server


async def test_an_app_gets_a_token_once_and_uses_it(server: ShopServer):
    api = AdminApi()
    assert [await api.ask(SHOP) for _time in range(3)] == [{"shop": {"name": "Lamps"}}] * 3
    assert len(server.token_requests) == 1


async def test_another_token_is_fetched_before_the_first_one_ends(server: ShopServer, time: Time):  # noqa: F811
    api = AdminApi()
    await api.ask(SHOP)
    time.now += 86_000
    await api.ask(SHOP)
    time.now += 200
    await api.ask(SHOP)
    assert len(server.token_requests) == 2


async def test_a_shop_that_does_not_give_a_token_at_once_is_asked_again(server: ShopServer):
    server.troubles = [LOST]
    assert await AdminApi().ask(SHOP)
    assert len(server.token_requests) == 2


async def test_a_wrong_secret_is_told_and_not_shown(
    running_app: None, server: ShopServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    set_shop(
        monkeypatch, shopify_api_url=server.url, shopify_client_id=CLIENT_ID, shopify_webhook_secret=["hush-wrong"]
    )
    with pytest.raises(ShopRefused, match="gives no token") as refused:
        await AdminApi().ask(SHOP)
    assert "hush-wrong" not in str(refused.value) + caplog.text


async def test_a_token_of_the_settings_is_used_as_it_is(server: ShopServer, monkeypatch: pytest.MonkeyPatch):
    server.tokens = ["shpat_kept"]
    set_shop(monkeypatch, shopify_api_url=server.url, shopify_client_id=CLIENT_ID, shopify_access_token="shpat_kept")
    await AdminApi().ask(SHOP)
    assert not server.token_requests


def test_an_id_without_a_secret_opens_nothing(monkeypatch: pytest.MonkeyPatch):
    set_shop(monkeypatch, shopify_shop="a.myshopify.com", shopify_client_id=CLIENT_ID, shopify_webhook_secret=[])
    with pytest.raises(ShopNotConfigured):
        AdminApi()


def test_a_token_is_not_printed():
    assert "shpat" not in repr(Token("shpat_kept"))
