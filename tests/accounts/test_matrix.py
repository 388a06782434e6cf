"""Every route meets everybody: anonymous callers, each role, and the owner of somebody else's things."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from io import BytesIO
from uuid import uuid4

import httpx
import pytest
from litestar.routes import HTTPRoute
from PIL import Image

from app import app
from domains.accounts.tables import Role
from domains.catalog.stock import Move, move_stock
from domains.catalog.tables import Reason
from domains.orders.deliveries import create_delivery
from domains.orders.delivery_schemas import DeliveryIn
from piccolo_conf import fetch_value
from tests.accounts.matrix import ANYONE, MATRIX, MOUNTS, SHARED, STAFF, Admits
from tests.conftest import make_client, sign_in_as
from tests.orders.placing import place, user_id

ORDER = list(Admits)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
CALLERS = {"anonymous": ANYONE, Role.CUSTOMER: Admits.CUSTOMER, Role.STAFF: STAFF, Role.ADMIN: Admits.ADMIN}
WITH_BODY = {"POST", "PUT", "PATCH"}


def routes() -> Iterator[str]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from (f"{method} {route.path_format}" for method in route.route_handler_map if method != "OPTIONS")


def mounts() -> set[str]:
    return {route.path for route in app.routes if not isinstance(route, HTTPRoute)}


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(routes()) == set(MATRIX)


def test_every_mount_is_known() -> None:
    assert mounts() == set(MOUNTS)


@pytest.fixture
async def callers(database: None) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        found = {"anonymous": make_client()} | {role: await sign_in_as(role, f"{role}-caller") for role in Role}
        yield {name: await stack.enter_async_context(client) for name, client in found.items()}


@pytest.mark.parametrize("route", sorted(MATRIX))
async def test_a_route_admits_whom_its_row_names(route: str, callers: dict[str, httpx.AsyncClient]) -> None:
    answers = {name: await ask(client, route) for name, client in callers.items()}
    for name, answer in answers.items():
        assert answer.status_code < 500, (name, answer.text)
        if ORDER.index(CALLERS[name]) >= ORDER.index(MATRIX[route]):
            assert not is_refused(answer), (name, answer.text)
        else:
            assert answer.status_code == (401 if name == "anonymous" else 403), (name, answer.text)


def is_refused(answer: httpx.Response) -> bool:
    """For who asks. A sign-in with a wrong password is answered 401 too, but by another name."""
    return answer.status_code in {401, 403} and answer.json()["code"] in {"not_signed_in", "missing_scope"}


async def ask(client: httpx.AsyncClient, route: str, **known: str) -> httpx.Response:
    """With ids of nothing, and a body that says nothing: what is looked at first is who asks."""
    method, path = route.split(" ")
    filled = PLACEHOLDER.sub(lambda found: known.get(found[1], example(found[1])), path)
    return await client.request(method, filled, json={} if method in WITH_BODY else None)


def example(name: str) -> str:
    return str(uuid4()) if name == "job_id" else "987654321"


async def owned_api_key(owner: httpx.AsyncClient) -> dict[str, str]:
    answer = await owner.post("/auth/api-keys", json={"name": "till", "scopes": ["products:read"]})
    return {"key_id": str(answer.json()["id"])}


async def owned_picture(owner: httpx.AsyncClient) -> dict[str, str]:
    await owner.put("/auth/users/me/avatar", files={"file": ("me.png", picture(), "image/png")})
    return {"user_id": str((await owner.get("/auth/users/me")).json()["id"])}


async def owned_order(owner: httpx.AsyncClient) -> dict[str, str]:
    product_id = await fetch_value("INSERT INTO product (sku, name) VALUES ('A-1', 'A') RETURNING id")
    await move_stock([Move(product_id, 1)], reason=Reason.PURCHASE)
    return {"order_id": str((await place(owner, (product_id, 1)))["id"])}


async def owned_delivery(owner: httpx.AsyncClient) -> dict[str, str]:
    known = await owned_order(owner)
    await create_delivery(int(known["order_id"]), DeliveryIn(assigned_to=await user_id(owner)))
    return known


# Each makes something that belongs to its caller, and tells the id that a stranger tries.
OWNED = {
    "DELETE /auth/api-keys/{key_id}": owned_api_key,
    "GET /auth/users/{user_id}/avatar": owned_picture,
    "GET /api/sales-orders/{order_id}": owned_order,
    "GET /api/sales-orders/{order_id}/delivery": owned_delivery,
    "PATCH /api/sales-orders/{order_id}/delivery": owned_delivery,
}


def test_every_path_with_an_id_is_for_staff_or_shared_by_design_or_tried_by_a_stranger() -> None:
    with_ids = {route for route, admits in MATRIX.items() if "{" in route and ORDER.index(admits) < ORDER.index(STAFF)}
    assert with_ids == SHARED | OWNED.keys()


@pytest.mark.parametrize("route", sorted(OWNED))
async def test_what_somebody_owns_is_not_there_for_a_stranger(
    route: str, customer: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    known = await OWNED[route](customer)
    refused = await ask(stranger, route, **known)
    assert refused.status_code == 404, refused.text
    assert (await ask(customer, route, **known)).status_code < 400


def picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (20, 20), "teal").save(file, "PNG")
    return file.getvalue()
