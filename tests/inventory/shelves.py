"""Locations and levels for tests, made the way that the API makes them."""

from typing import Any

import httpx

ADJUST = "/api/stock/adjustments/"
TRANSFER = "/api/stock/transfers/"
STOCK = "/api/stock/"
LEDGER = "/api/stock/movements/"
LOCATIONS = "/api/locations/"


async def make_location(client: httpx.AsyncClient, code: str = "shop", **fields: Any) -> int:
    answer = await client.post(LOCATIONS, json={"code": code, "name": f"The {code}", **fields})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def default_location(client: httpx.AsyncClient) -> int:
    (found,) = (await client.get(LOCATIONS, params={"is_default": "true"})).json()["results"]
    return int(found["id"])


async def adjust(client: httpx.AsyncClient, product: int | str, status: int = 201, **fields: Any) -> Any:
    """The answer's content."""
    answer = await client.post(ADJUST, json={"product": product, **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


async def levels_of(client: httpx.AsyncClient, product: int, **query: Any) -> dict[str, int]:
    """What lies where, by the codes of the locations."""
    answer = await client.get(STOCK, params={"product": product, **query})
    assert answer.status_code == 200, answer.text
    return {row["location"]: row["on_hand"] for row in answer.json()["results"]}


async def ledger_of(client: httpx.AsyncClient, reference: str) -> list[tuple[str, int, int, str]]:
    """(location, delta, on_hand_after, reason) of what a reference booked, in order."""
    found = (await client.get(LEDGER, params={"reference": reference, "ordering": "id"})).json()["results"]
    return [(row["location"], row["delta"], row["on_hand_after"], row["reason"]) for row in found]


def wrong_fields(answer: httpx.Response) -> list[str]:
    """The fields of a refused body."""
    assert answer.status_code == 400, answer.text
    return [error["field"] for error in answer.json()["errors"]]
