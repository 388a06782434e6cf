"""What `litestar shopify doctor` finds, of webhooks that it sends to itself over HTTP and of what a shop answers."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from domains.shopify import admin_api, examination, shop_examination
from domains.shopify.processing import HANDLED
from domains.shopify.shop_examination import Subscription, judge_scopes, judge_subscriptions
from lib import egress
from lib.embedded import Urls
from lib.findings import Finding
from piccolo_conf import execute, fetch
from tests.conftest import make_client
from tests.shopify.making import SECRET, SHOP
from tests.shopify.shop import SimulatedShop
from tests.shopify.shop_server import TOKEN
from tests.shopify.shop_server import serving as serving_shop

Answer = Callable[[web.Request], Awaitable[web.Response]]
ADDRESS = "https://stock.example.com/api/shopify-webhook/"
ALL_TOPICS = sorted({*HANDLED} - shop_examination.COMPLIANCE)
RECONCILED = """
    INSERT INTO shopify_reconciliation (state, dry_run, detail, started_at, finished_at)
    VALUES ($1, $2, 'The shop does not answer.', now() - $3::text::interval, now())
"""


async def pass_on(request: web.Request) -> web.Response:
    """To the application of this test, as a proxy does."""
    headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
    async with make_client() as client:
        answer = await client.post(request.path, content=await request.read(), headers=headers)
    return web.Response(status=answer.status_code, body=answer.content)


def saying(status: int, body: str = "{}", **headers: str) -> Answer:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    return answer


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def connected(database: None) -> AsyncIterator[None]:
    async with egress.opened():
        yield


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def replace(**changes: Any) -> None:
        for module in (examination, shop_examination, admin_api):
            monkeypatch.setattr(module, "settings", msgspec.structs.replace(examination.settings, **changes))

    return replace


async def find(name: str) -> Finding:
    return next(finding for finding in await examination.examine() if finding.name == name)


async def test_a_shop_that_is_set_up_as_the_guide_says_is_well(connected: None, configure: Callable[..., None]):
    await execute(RECONCILED, "completed", False, "20 hours")
    async with serving(pass_on) as here, serving_shop(SimulatedShop()) as shop:
        address = f"{here}/api/shopify-webhook/"
        shop.subscriptions = [{"topic": one.replace("/", "_").upper(), "uri": address} for one in ALL_TOPICS]
        configure(public_url=here, shopify_shop=SHOP, shopify_access_token=TOKEN, shopify_api_url=shop.url)
        findings = await examination.examine()
    # The server of this test speaks no TLS.
    assert [finding.name for finding in findings if not finding.ok] == ["PUBLIC_URL"]
    assert len(findings) == 10


async def test_without_any_setting_each_is_told_and_nothing_is_sent(connected: None, configure: Callable[..., None]):
    configure(shopify_webhook_secret=[], shopify_shop="", public_url="")
    findings = await examination.examine()
    assert [(finding.name, finding.ok) for finding in findings] == [
        (name, False) for name in ("Secret", "Shop", "PUBLIC_URL", "Admin API", "Reconciliation")
    ]
    assert "SHOPIFY_ACCESS_TOKEN" in findings[3].detail


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("Secret", {"shopify_webhook_secret": ["one two"]}, "has a blank inside"),
        ("Shop", {"shopify_shop": "lamps.example.com"}, "ends in .myshopify.com"),
        ("PUBLIC_URL", {"public_url": "http://127.0.0.1:9"}, "by https alone"),
    ],
)
async def test_a_setting_that_is_wrong_is_told(
    connected: None, configure: Callable[..., None], name: str, settings: dict[str, Any], told: str
):
    configure(**settings)
    finding = await find(name)
    assert (finding.ok, told in finding.detail) == (False, True)


async def test_each_secret_is_tried_and_what_came_stands_in_the_inbox(connected: None, configure: Callable[..., None]):
    async with serving(pass_on) as here:
        configure(public_url=here, shopify_webhook_secret=[SECRET, "rotated-out"])
        findings = {finding.name: finding for finding in await examination.examine()}
    assert findings["Webhook signed with secret 1"].ok
    assert findings["Webhook with a wrong signature"].ok
    # The application of this test knows the first secret alone.
    assert "another secret" in findings["Webhook signed with secret 2"].detail
    rows = await fetch("SELECT topic, state, reason FROM inbound_webhook")
    assert [tuple(row) for row in rows] == [("stockroom/doctor", "ignored", "unhandled_topic")]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (saying(200), "not into this database"),
        (saying(301, Location="https://www.example.com/"), "was led elsewhere (301)"),
        (saying(400), "ALLOWED_HOSTS"),
        (saying(401), "another secret"),
        (saying(404), "answered with 404"),
        (saying(503), "no secret, or no database"),
    ],
)
async def test_whoever_else_answers_there_is_told(
    connected: None, configure: Callable[..., None], answer: Answer, told: str
):
    async with serving(answer) as there:
        configure(public_url=there)
        finding = await find("Webhook signed with secret 1")
    assert (finding.ok, told in finding.detail) == (False, True)


async def test_who_takes_forged_webhooks_is_told(connected: None, configure: Callable[..., None]):
    async with serving(saying(200)) as there:
        configure(public_url=there)
        finding = await find("Webhook with a wrong signature")
    assert (finding.ok, finding.detail) == (False, "was answered with 200 instead of 401")


async def test_an_address_that_cannot_be_reached_is_told(connected: None, configure: Callable[..., None]):
    configure(public_url="http://127.0.0.1:1")
    finding = await find("Webhook signed with secret 1")
    assert (finding.ok, "cannot be reached from here" in finding.detail) == (False, True)


@pytest.mark.parametrize(("longest", "slow", "ok", "told"), [(5000, -1, True, ": slow"), (-1, -1, False, "gives up")])
async def test_an_answer_that_takes_long_is_told(
    connected: None,
    configure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    longest: int,
    slow: int,
    ok: bool,
    told: str,
):
    monkeypatch.setattr(examination, "LONGEST_ANSWER_MS", longest)
    monkeypatch.setattr(examination, "SLOW_ANSWER_MS", slow)
    async with serving(pass_on) as here:
        configure(public_url=here)
        finding = await find("Webhook signed with secret 1")
    assert (finding.ok, told in finding.detail) == (ok, True)


async def test_a_token_that_the_shop_refuses_is_told_and_not_shown(connected: None, configure: Callable[..., None]):
    async with serving_shop(SimulatedShop()) as shop:
        configure(shopify_shop=SHOP, shopify_access_token="shpat_wrong", shopify_api_url=shop.url)
        finding = await find("Admin API")
    assert (finding.ok, "401" in finding.detail, "shpat" in finding.detail) == (False, True, False)


async def test_a_token_of_another_shop_is_told(connected: None, configure: Callable[..., None]):
    async with serving_shop(SimulatedShop()) as shop:
        configure(shopify_shop="other.myshopify.com", shopify_access_token=TOKEN, shopify_api_url=shop.url)
        finding = await find("Admin API")
    assert (finding.ok, f"the token is for {SHOP}" in finding.detail) == (False, True)


async def test_a_shop_that_sells_in_another_currency_is_told(connected: None, configure: Callable[..., None]):
    async with serving_shop(SimulatedShop()) as shop:
        configure(shopify_access_token=TOKEN, shopify_api_url=shop.url, default_currency="EUR")
        finding = await find("Currency")
    assert (finding.ok, finding.detail) == (False, "the shop's prices are in USD, and DEFAULT_CURRENCY is EUR")


@pytest.mark.parametrize("answer", [saying(200, '{"data": {"shop": null}}'), saying(200, "[]"), saying(403)])
async def test_a_shop_that_answers_something_else_is_told(
    connected: None, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch, answer: Answer
):
    monkeypatch.setattr(shop_examination, "LONGEST_ANSWER_SECONDS", 0.3)
    async with serving(answer) as there:
        configure(shopify_access_token=TOKEN, shopify_api_url=there)
        assert not (await find("Admin API")).ok


@pytest.mark.parametrize(
    ("state", "is_dry", "age", "told"),
    [
        ("completed", False, "20 hours", ""),
        ("completed", False, "50 hours", "50 hours ago"),
        ("completed", True, "1 hour", "never"),
        ("failed", False, "1 hour", "failed: The shop does not answer."),
    ],
)
async def test_a_shop_that_nobody_was_compared_with_of_late_is_told(
    connected: None, state: str, is_dry: bool, age: str, told: str
):
    await execute(RECONCILED, state, is_dry, age)
    finding = await find("Reconciliation")
    assert (finding.ok, told in finding.detail) == (not told, True)


@pytest.mark.parametrize(
    ("granted", "detail"),
    [
        (["read_products", "write_inventory", "read_locations", "read_orders"], ""),
        (["read_products", "read_inventory"], "missing: read_locations, read_orders"),
    ],
)
def test_scopes_that_are_missing_are_named(granted: list[str], detail: str):
    finding = judge_scopes(granted)
    assert (finding.ok, detail in finding.detail) == (not detail, True)


def subscribed(topics: list[str], uri: str = ADDRESS) -> list[Subscription]:
    return [Subscription(topic.replace("/", "_").upper(), uri) for topic in topics]


@pytest.mark.parametrize(
    ("found", "come", "ok", "told"),
    [
        (subscribed(ALL_TOPICS), [], True, "12 of 12 topics come here"),
        (subscribed(ALL_TOPICS, ADDRESS.rstrip("/")), [], True, "12 of 12"),
        (subscribed(ALL_TOPICS, f"{ADDRESS}lamps/"), [], True, "12 of 12"),
        (subscribed(ALL_TOPICS[1:]), [], False, f"nothing is known of {ALL_TOPICS[0]}"),
        (subscribed(ALL_TOPICS[1:]), ALL_TOPICS[:1], True, "12 of 12"),
        (subscribed(ALL_TOPICS, "https://old.example.com/x"), [], False, "goes to https://old.example.com/x"),
        (subscribed(ALL_TOPICS, ADDRESS.replace("webhook/", "webhooks/")), [], False, "0 of 12"),
        ([], ["products/update"], True, "1 of 12 topics come here; nothing is known of app/uninstalled"),
        ([], [], False, "0 of 12"),
    ],
)
def test_topics_that_do_not_come_here_are_named(found: list[Subscription], come: list[str], ok: bool, told: str):
    finding = judge_subscriptions(found, ADDRESS, come)
    assert (finding.ok, told in finding.detail) == (ok, True), finding.detail


async def command(servers: Urls, *words: str) -> subprocess.CompletedProcess[str]:
    addresses = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "litestar", "shopify", "doctor", *words],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **addresses},
        capture_output=True,
        check=False,
        text=True,
    )


async def test_the_command_tells_each_finding_and_ends_with_one(servers: Urls, database: None):
    told = await command(servers)
    assert told.returncode == 1, told.stderr
    assert told.stdout.startswith("ok     Secret: set\nWRONG  Shop: SHOPIFY_SHOP is not set")
    found = json.loads((await command(servers, "--json")).stdout)
    assert [one["name"] for one in found] == ["Secret", "Shop", "PUBLIC_URL", "Admin API", "Reconciliation"]
