"""Sales orders for tests, placed the way that the API places them."""

from typing import Any

import httpx

from piccolo_conf import fetch_value

ORDERS = "/api/sales-orders/"


async def place(client: httpx.AsyncClient, *lines: tuple[object, int], **fields: Any) -> dict[str, Any]:
    """The answer to an order of (product, quantity)."""
    wanted = [{"product": product, "quantity": quantity} for product, quantity in lines]
    response = await client.post(ORDERS, json={"lines": wanted, **fields})
    assert response.status_code == 201, response.text
    order: dict[str, Any] = response.json()
    return order


async def stock_of(product_id: int) -> int:
    return int(await fetch_value("SELECT inventory_quantity FROM product WHERE id = $1", product_id))


async def user_id(client: httpx.AsyncClient) -> int:
    return int((await client.get("/auth/users/me")).json()["id"])
