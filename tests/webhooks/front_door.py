"""Webhooks as clients see them."""

from typing import Any

import httpx

PATH = "/api/webhooks/"
URL = "https://example.com/hook"


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """The answer to creating one, its secret included."""
    answer = await client.post(PATH, json={"url": URL, "event_types": ["*"], **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(client: httpx.AsyncClient, path: str = PATH, **query: str) -> list[dict[str, Any]]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def refusal(answer: httpx.Response) -> list[tuple[str, str]]:
    """Fields and sentences of a 400."""
    assert answer.status_code == 400, answer.text
    return [(error["field"], error["message"]) for error in answer.json()["errors"]]


def headers_of(request: bytes) -> dict[str, str]:
    """Of a request as it arrived, with their names in lower case."""
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]
