"""Purchase orders for tests, made the way that the API makes them."""

from typing import Any

import httpx

from piccolo_conf import fetch_value

PATH = "/api/purchase-orders"


async def buy(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """The answer to ordering; nothing is received unless `receive` says so."""
    response = await client.post(f"{PATH}/", json={"supplier_name": "Acme", "receive": False, **fields})
    assert response.status_code == 201, response.text
    purchase: dict[str, Any] = response.json()
    return purchase


def receive(client: httpx.AsyncClient, purchase: dict[str, Any], **fields: Any) -> Any:
    """To be awaited; all that is outstanding without `lines`."""
    return client.post(f"{PATH}/{purchase['id']}/receipt", json=fields)


def cancel(client: httpx.AsyncClient, purchase: dict[str, Any]) -> Any:
    return client.post(f"{PATH}/{purchase['id']}/cancellation")


def reverse(client: httpx.AsyncClient, purchase: dict[str, Any], receipt_id: int = 1, **fields: Any) -> Any:
    return client.post(f"{PATH}/{purchase['id']}/receipts/{receipt_id}/reversal", json=fields)


async def stock_of(sku: str) -> int:
    return int(await fetch_value("SELECT inventory_quantity FROM product WHERE sku = $1", sku))


def parts(purchase: dict[str, Any]) -> list[tuple[int, int, int]]:
    """Of each line: received, cancelled, outstanding."""
    names = ("received_quantity", "cancelled_quantity", "outstanding_quantity")
    return [(line[names[0]], line[names[1]], line[names[2]]) for line in purchase["lines"]]


def fields(answer: httpx.Response) -> dict[str, str]:
    """What a 400 says of each field."""
    assert answer.status_code == 400, answer.text
    return {error["field"]: error["message"] for error in answer.json()["errors"]}
