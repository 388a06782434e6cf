"""Two people who watch the live feed in browsers of their own, each at another web process."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from domains.accounts.passwords import HASHER
from tests.browser import Page, browser
from tests.faults.harness import House, free_port

PASSWORD = "correct horse battery"
STAFF = """
    INSERT INTO users (username, email, password, role, admin, superuser, active, email_verified_at, created_at)
    VALUES ($1::text, $1::text || '@example.com', $2, 'admin', true, false, true, now(), now()) RETURNING id
"""
FEED = "/dashboard/products/"
IS_LIVE = "() => document.querySelector('#state')?.dataset.state === 'live'"
ROWS = "() => [...document.querySelectorAll('#feed li')].map(row => Number(row.dataset.id))"
NEWEST = "(text) => document.querySelector('#feed li .what')?.textContent === text"
OFFLINE = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


class Viewer:
    """One browser. `name` is also who is signed in there."""

    def __init__(self, page: Page, url: str, name: str) -> None:
        self.page = page
        self.url = url
        self.name = name

    async def come(self) -> None:
        await self.page.open(f"{self.url}/accounts/login/?next={FEED}")
        await self.page.fill("#identifier", self.name)
        await self.page.fill("#password", PASSWORD)
        await self.page.submit("Sign in")
        await self.is_live()

    async def is_live(self) -> None:
        await self.page.until(IS_LIVE)

    async def newest(self, text: str) -> None:
        """Waits until this is the first line."""
        await self.page.until(NEWEST, text)

    async def rows(self) -> list[int]:
        """Ids of events, as they stand there, newest first."""
        found: list[int] = await self.page.run(ROWS)
        return found

    async def go_offline(self) -> None:
        await self.page.tell("Network.enable")
        await self.page.tell("Network.emulateNetworkConditions", offline=True, **OFFLINE)
        await self.page.until("() => document.querySelector('#state').dataset.state === 'lost'")

    async def come_online(self) -> None:
        await self.page.tell("Network.emulateNetworkConditions", offline=False, **OFFLINE)


class Shop:
    """A house with a worker and two web processes, and a shopkeeper who changes products through the first."""

    def __init__(self, house: House, urls: list[str], client: httpx.AsyncClient) -> None:
        self.house = house
        self.urls = urls
        self.client = client
        self.product: dict[str, Any] = {}
        self.lamps = 0

    async def create(self) -> str:
        """The SKU of a new lamp."""
        self.lamps += 1
        sku = f"L-{self.lamps}"
        answer = await self.client.post("/api/products/", json={"sku": sku, "name": "Lamp", "price": "1.00"})
        assert answer.status_code == 201, answer.text
        self.product = answer.json()
        return sku

    async def reprice(self, price: str) -> str:
        """The sentence that everybody is to see."""
        old = self.product["price"]
        answer = await self.client.patch(f"/api/products/{self.product['id']}/", json={"price": price})
        assert answer.status_code == 200, answer.text
        self.product = answer.json()
        return f"Lamp ({self.product['sku']}): price {old} → {price}"

    async def events(self) -> list[int]:
        """Ids of all events that are followed, newest first."""
        found = await self.house.ask("SELECT array_agg(id ORDER BY relayed_at DESC, id DESC) FROM event WHERE NOT bulk")
        assert isinstance(found, list)
        return found


@contextlib.asynccontextmanager
async def shop_and_viewers(directory: Path) -> AsyncIterator[tuple[Shop, Viewer, Viewer]]:
    """Both signed in and live."""
    with House(directory).running() as house:
        house.start_worker()
        ports = [free_port(), free_port()]
        for port in ports:
            house.start_web(port)
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        for name in ("ada", "ben"):
            await house.ask(STAFF, name, HASHER.hash(PASSWORD))
        async with httpx.AsyncClient(base_url=urls[0]) as client, browser() as first, browser() as second:
            signed_in = await client.post("/auth/jwt/create/", json={"username": "ada", "password": PASSWORD})
            client.headers["Authorization"] = f"Bearer {signed_in.json()['access']}"
            viewers = Viewer(first, urls[0], "ada"), Viewer(second, urls[1], "ben")
            for viewer in viewers:
                await viewer.come()
            yield Shop(house, urls, client), *viewers
