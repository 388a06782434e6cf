"""The limit over HTTP: the same rows from the same pool into the same kind of answer, and nothing else.

`app` is a Litestar application with bare handlers: no middleware, no authentication, no count, no paging. `plain` is
the same as ASGI by hand, which shows what Litestar's routing costs. Both read `BENCH_BARE` from the environment.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec
from litestar import Litestar, MediaType, Response, get
from litestar.params import FromPath
from litestar.types import Receive, Scope, Send

VARIABLE = "BENCH_BARE"
RAW: Callable[[Any], Any] = msgspec.Raw


class Wish(msgspec.Struct):
    """`columns` are those that the product answers with; `static_bytes` the size of its list."""

    dsn: str
    pool_size: int
    columns: list[str]
    static_bytes: int

    @property
    def select(self) -> str:
        return ", ".join(f"{column}::text" if column.endswith("price") else column for column in self.columns)


wish = msgspec.json.decode(
    os.environ.get(VARIABLE) or b'{"dsn":"","pool_size":1,"columns":[],"static_bytes":0}', type=Wish
)
Product = msgspec.defstruct("Product", wish.columns)
JSON_PLACES = [wish.columns.index(name) for name in ("options", "attributes") if name in wish.columns]
LIST = f"SELECT {wish.select} FROM product ORDER BY id DESC LIMIT 50"
ONE = f"SELECT {wish.select} FROM product WHERE id = $1"
STATIC = b'"' + b"x" * max(wish.static_bytes - 2, 0) + b'"'
encoder = msgspec.json.Encoder()
pools: list["asyncpg.Pool[asyncpg.Record]"] = []


@contextlib.asynccontextmanager
async def running(_app: object = None) -> AsyncIterator[None]:
    """With the product's own pool size, and without a reset between two uses, as there."""
    async with asyncpg.create_pool(
        wish.dsn, min_size=1, max_size=wish.pool_size, reset=_keep, server_settings={"jit": "off", "timezone": "UTC"}
    ) as pool:
        pools.append(pool)
        yield


async def _keep(_connection: object) -> None:
    pass


def shape(record: asyncpg.Record) -> msgspec.Struct:
    values = list(record)
    for place in JSON_PLACES:
        values[place] = RAW(values[place])
    return Product(*values)


async def read_list() -> bytes:
    return encoder.encode([shape(record) for record in await pools[0].fetch(LIST)])


async def read_one(product_id: int) -> bytes:
    record = await pools[0].fetchrow(ONE, product_id)
    return b"null" if record is None else encoder.encode(shape(record))


@get("/list")
async def list_handler() -> Response[bytes]:
    return Response(await read_list(), media_type=MediaType.JSON)


@get("/one/{product_id:int}")
async def one_handler(product_id: FromPath[int]) -> Response[bytes]:
    return Response(await read_one(product_id), media_type=MediaType.JSON)


@get("/static", sync_to_thread=False)
def static_handler() -> Response[bytes]:
    return Response(STATIC, media_type=MediaType.JSON)


app = Litestar(
    [list_handler, one_handler, static_handler], lifespan=[running], openapi_config=None, logging_config=None
)


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Lifespan and GET of any path: the list."""
    if scope["type"] == "lifespan":  # type: ignore[comparison-overlap] # Litestar types it apart.
        await _live(receive, send)
        return
    body = await read_list()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    async with running():
        await send({"type": "lifespan.startup.complete"})  # type: ignore[typeddict-item]
        await receive()
    await send({"type": "lifespan.shutdown.complete"})  # type: ignore[typeddict-item]
