"""Products for tests, written the way that the API writes them."""

from typing import Any

import httpx


async def make_product(client: httpx.AsyncClient, sku: str = "A-1", **fields: Any) -> dict[str, Any]:
    """The answer to creating it; `name` is made from the SKU."""
    response = await client.post("/api/products/", json={"sku": sku, "name": f"Product {sku}", **fields})
    assert response.status_code == 201, response.text
    product: dict[str, Any] = response.json()
    return product
