"""A shop with an Admin GraphQL API on a port of its own: queries run against the part of Shopify's schema that we use,
cost points, and fail on demand."""

import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web
from graphql import build_schema, graphql_sync

from tests.shopify.making import SECRET
from tests.shopify.shop import SimulatedShop, gid
from tests.shopify.shop_costs import cost_of

TOKEN = "shpat_for_tests"
CLIENT_ID = "client-of-tests"
GRANT = ("client_credentials", CLIENT_ID, SECRET)
SCHEMA = build_schema(Path(__file__).with_name("shop_schema.graphql").read_text())
MOST_POINTS_A_QUERY = 1000


class Trouble(msgspec.Struct, frozen=True):
    """What becomes of a request instead of its answer. Without a status the connection ends in the middle of it."""

    status: int | None = None
    body: str = "{}"
    headers: dict[str, str] = {}


THROTTLED = Trouble(200, '{"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}')
LOST = Trouble()
AWAY = Trouble(503)


class ShopServer:
    """`troubles` meet the next requests, one each. `on_request` is awaited with the number of each, from 1 on. After
    `answers_left` answers it is away."""

    def __init__(self, shop: SimulatedShop, capacity: float, restore_rate: float) -> None:
        self.shop = shop
        self.capacity, self.restore_rate = capacity, restore_rate
        self.available, self.counted_at = capacity, time.monotonic()
        self.troubles: list[Trouble] = []
        self.answers_left = float("inf")
        self.requests: list[dict[str, Any]] = []
        self.costs: list[int] = []
        self.throttled = 0
        self.on_request: Callable[[int], Awaitable[None]] | None = None
        self.scopes = ["read_products", "read_inventory", "read_locations", "read_orders"]
        self.subscriptions: list[dict[str, str]] = []
        self.url = ""
        self.tokens = [TOKEN]
        self.token_requests: list[dict[str, str]] = []

    async def give_token(self, request: web.Request) -> web.StreamResponse:
        """For the app's id and secret, one that nobody had before."""
        asked = dict(parse_qsl((await request.read()).decode()))
        self.token_requests.append(asked)
        if self.troubles:
            return await self._fail(request, self.troubles.pop(0))
        if (asked.get("grant_type"), asked.get("client_id"), asked.get("client_secret")) != GRANT:
            return web.json_response({"error": "invalid_client"}, status=400)
        self.tokens = [f"shpat_made_{len(self.token_requests)}"]
        return web.json_response({"access_token": self.tokens[0], "scope": "read_products", "expires_in": 86399})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(await request.read())
        self.requests.append(asked)
        if self.on_request is not None:
            await self.on_request(len(self.requests))
        self.answers_left -= 1
        if self.answers_left < 0:
            return await self._fail(request, AWAY)
        if self.troubles:
            return await self._fail(request, self.troubles.pop(0))
        if request.headers.get("X-Shopify-Access-Token") not in self.tokens:
            return web.json_response({"errors": "[API] Invalid API key or access token"}, status=401)
        return web.json_response(self._execute(asked["query"], asked.get("variables") or {}))

    async def _fail(self, request: web.Request, trouble: Trouble) -> web.StreamResponse:
        if trouble.status is not None:
            return web.Response(status=trouble.status, text=trouble.body, headers=trouble.headers)
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"data": {')
        assert request.transport is not None
        request.transport.close()
        return response

    def _execute(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        cost = cost_of(SCHEMA, query, variables)
        self.costs.append(cost)
        if cost > MOST_POINTS_A_QUERY:
            told = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": MOST_POINTS_A_QUERY}
            return {"errors": [{"message": f"Query cost is {cost}.", "extensions": told}]}
        if not self._take(cost):
            self.throttled += 1
            refused = [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
            return {"errors": refused, "extensions": self._status(cost)}
        result = graphql_sync(SCHEMA, query, self._root(), variable_values=variables)
        formatted = result.formatted
        return {**formatted, "extensions": self._status(cost)}

    def _take(self, cost: float) -> bool:
        now = time.monotonic()
        self.available = min(self.capacity, self.available + (now - self.counted_at) * self.restore_rate)
        self.counted_at = now
        if cost > self.available:
            return False
        self.available -= cost
        return True

    def _status(self, cost: float) -> dict[str, Any]:
        told = {"maximumAvailable": self.capacity, "currentlyAvailable": int(self.available)}
        return {"cost": {"requestedQueryCost": cost, "throttleStatus": told | {"restoreRate": self.restore_rate}}}

    def _root(self) -> dict[str, Any]:
        return {
            "productVariants": lambda _info, **given: connect(self.shop.variant_nodes(), **given),
            "locations": lambda _info, **given: connect(self._listed_locations(**given), **given),
            "location": lambda _info, **given: next(
                (node for node in self._location_nodes() if node["id"] == given["id"]), None
            ),
            "shop": {"name": "Lamps", "myshopifyDomain": "lamps-and-more.myshopify.com", "currencyCode": "USD"},
            "currentAppInstallation": {"accessScopes": [{"handle": it, "description": it} for it in self.scopes]},
            "webhookSubscriptions": lambda _info, **given: connect(self._subscription_nodes(), **given),
        }

    def _listed_locations(self, *, includeLegacy: bool = False, **_: object) -> list[dict[str, Any]]:  # noqa: N803 - Shopify's.
        services = {gid("Location", id_) for id_ in self.shop.services}
        return [node for node in self._location_nodes() if includeLegacy or node["id"] not in services]

    def _location_nodes(self) -> list[dict[str, Any]]:
        def levels_of(location_id: int) -> Callable[..., dict[str, Any]]:
            return lambda _info, **given: connect(self.shop.level_nodes(location_id), **given)

        return [
            {"id": gid("Location", id_), "name": name, "isActive": True, "inventoryLevels": levels_of(id_)}
            for id_, name in sorted(self.shop.locations.items())
        ]

    def _subscription_nodes(self) -> list[dict[str, Any]]:
        return [
            {"id": gid("WebhookSubscription", number), **given} for number, given in enumerate(self.subscriptions, 1)
        ]


def connect(nodes: list[dict[str, Any]], first: int = 50, after: str | None = None, **_: object) -> dict[str, Any]:
    """A page; a cursor names the last node of the page before, so that what comes and goes meanwhile moves nothing."""
    behind = json.loads(base64.b64decode(after)) if after else -1
    rest = [node for node in nodes if _key(node) > behind]
    page = rest[:first]
    cursor = base64.b64encode(json.dumps(_key(page[-1])).encode()).decode() if page else None
    info = {"hasNextPage": len(rest) > first, "hasPreviousPage": bool(after), "endCursor": cursor, "startCursor": None}
    return {"nodes": page, "pageInfo": info}


def _key(node: dict[str, Any]) -> int:
    return (
        int(node["id"].partition("?")[0].rpartition("/")[2])
        if "?" not in node["id"]
        else int(node["id"].rpartition("=")[2])
    )


@contextlib.asynccontextmanager
async def serving(
    shop: SimulatedShop, *, capacity: float = 100_000, restore_rate: float = 1000
) -> AsyncIterator[ShopServer]:
    """The shop's API at `url`, with a bucket that is as good as endless unless a test makes it small."""
    server = ShopServer(shop, capacity, restore_rate)
    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/admin/api/2026-04/graphql.json", server.answer)
    application.router.add_post("/admin/oauth/access_token", server.give_token)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/admin/api/2026-04/graphql.json"
    try:
        yield server
    finally:
        await runner.cleanup()
