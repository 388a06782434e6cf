"""A small application around routes of a test, with the error handling and the frame of the real one."""

from collections.abc import Sequence
from typing import Any

import httpx
from litestar import Litestar, get

from lib import problems
from lib.bodies import JsonRequest
from lib.frame import Frame

HOST = "shop.example"


def make(
    *routes: Any, allowed_hosts: Sequence[str] = (HOST,), trusted_proxies: Sequence[str] = (), **options: Any
) -> Litestar:
    app = Litestar(
        route_handlers=list(routes),
        exception_handlers={Exception: problems.to_response},
        request_class=JsonRequest,
        openapi_config=None,
        logging_config=None,
        **options,
    )
    app.asgi_handler = Frame(app.asgi_handler, allowed_hosts, trusted_proxies)
    return app


def client(*routes: Any, **options: Any) -> httpx.AsyncClient:
    return client_of(make(*routes, **options))


def client_of(app: Litestar) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}")


def raising(error: Exception) -> httpx.AsyncClient:
    """A client of an application whose only route raises."""

    @get("/raise")
    async def fail() -> None:
        raise error

    return client(fail)


async def ask(error: Exception) -> httpx.Response:
    async with raising(error) as asking:
        return await asking.get("/raise")
