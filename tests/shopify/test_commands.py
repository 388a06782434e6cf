"""`litestar shopify reconcile`, as an operator types it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from domains.shopify.queries import VARIANTS_A_PAGE
from lib.embedded import Urls
from piccolo_conf import execute
from tests.shopify.making import product_rows
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import TOKEN, ShopServer, serving

REPOSITORY = Path(__file__).parents[2]
STOPPED = """
    UPDATE shopify_reconciliation
    SET state = 'interrupted', progress = '{"phase": "levels", "since": "2026-01-01T00:00Z"}'
"""


async def command(servers: Urls, *words: str, server: ShopServer | None = None) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "litestar", "shopify", *words],
        cwd=REPOSITORY,
        env=environment(servers, server),
        capture_output=True,
        check=False,
        text=True,
    )


def environment(servers: Urls, server: ShopServer | None) -> dict[str, str]:
    given = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    if server is not None:
        given |= {"SHOPIFY_API_URL": server.url, "SHOPIFY_ACCESS_TOKEN": TOKEN}
    return {**os.environ, **given}


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


async def test_one_that_is_killed_is_gone_on_with(servers: Urls, database: None):
    shop = SimulatedShop()
    for number in range(VARIANTS_A_PAGE + 1):
        shop.add_lamp(f"L-{number}")
    async with serving(shop) as server:
        began = asyncio.Event()

        async def hang_behind_the_first_page(number: int) -> None:
            if number == 2:
                began.set()
                await asyncio.Event().wait()

        server.on_request = hang_behind_the_first_page
        words = ("-m", "litestar", "shopify", "reconcile")
        killed = await asyncio.create_subprocess_exec(
            sys.executable, *words, cwd=REPOSITORY, env=environment(servers, server), stderr=subprocess.DEVNULL
        )
        await began.wait()
        killed.kill()
        await killed.wait()
        assert len(await product_rows()) == VARIANTS_A_PAGE
        done = await command(servers, "reconcile", server=server)
        assert done.stdout.startswith("Going on with comparison 1: 100 variants so far.\n"), done.stderr
        assert "101 variants and 0 levels at 0 locations: 101 differences; 101 created." in done.stdout
        await execute(STOPPED)
        anew = await command(servers, "reconcile", "--from-start", server=server)
    assert anew.stdout == "101 variants and 0 levels at 0 locations: everything is as in the shop.\n"
    assert len(await product_rows()) == VARIANTS_A_PAGE + 1
