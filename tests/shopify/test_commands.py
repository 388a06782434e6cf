"""`litestar shopify reconcile`, as an operator types it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from lib.embedded import Urls
from tests.shopify.making import product_rows
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import TOKEN, ShopServer, serving

REPOSITORY = Path(__file__).parents[2]


async def command(servers: Urls, *words: str, server: ShopServer | None = None) -> subprocess.CompletedProcess[str]:
    given = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    if server is not None:
        given |= {"SHOPIFY_API_URL": server.url, "SHOPIFY_ACCESS_TOKEN": TOKEN}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "litestar", "shopify", *words],
        cwd=REPOSITORY,
        env={**os.environ, **given},
        capture_output=True,
        check=False,
        text=True,
    )


async def test_a_dry_run_tells_what_differs_and_a_real_one_mends_it(servers: Urls, database: None):
    shop = SimulatedShop()
    lamp = shop.add_lamp("L-1")
    shop.stock(lamp, shop.add_location(), 5)
    async with serving(shop) as server:
        tried = await command(servers, "reconcile", "--dry-run", server=server)
        assert (tried.returncode, await product_rows()) == (0, []), tried.stderr
        assert f"  variant {lamp.id}  L-1  exists: False here, True in the shop\n" in tried.stdout
        assert "1 difference, and nothing was changed." in tried.stdout
        done = await command(servers, "reconcile", "--json", server=server)
    report = json.loads(done.stdout)
    assert (report["counts"]["created"], len(report["differences"])) == (1, 2)
    assert [row["inventory_quantity"] for row in await product_rows()] == [5]


async def test_without_a_shop_it_ends_with_a_sentence(servers: Urls, database: None):
    refused = await command(servers, "reconcile")
    assert refused.returncode == 1
    assert "SHOPIFY_SHOP and SHOPIFY_CLIENT_ID (or SHOPIFY_ACCESS_TOKEN) are not set" in refused.stderr
