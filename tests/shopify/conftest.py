"""A shop with an Admin API, empty, and one that is known here."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from domains.shopify import admin_api
from domains.shopify.reconciling import reconcile
from lib import egress
from settings import settings
from tests.shopify.shop import ShopItem, SimulatedShop
from tests.shopify.shop_server import TOKEN, ShopServer, serving


@pytest.fixture
async def server(database: None, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ShopServer]:
    async with serving(SimulatedShop()) as server, egress.opened():
        told = {"shopify_api_url": server.url, "shopify_access_token": TOKEN}
        monkeypatch.setattr(admin_api, "settings", msgspec.structs.replace(settings, **told))
        yield server


@pytest.fixture
def shop(server: ShopServer) -> SimulatedShop:
    return server.shop


@pytest.fixture
async def lamp(shop: SimulatedShop) -> ShopItem:
    """Known here, with 5 in the warehouse."""
    lamp = shop.add_lamp("L-1", cost="3.50")
    shop.stock(lamp, shop.add_location(), 5)
    await reconcile(dry_run=False)
    return lamp
