"""One uvicorn process against bare handlers in another: lists, single products, new products."""

import contextlib
import random
from collections.abc import AsyncIterator
from statistics import median
from uuid import uuid4

import msgspec

from bench import cores, servers
from bench.bare import VARIABLE, Wish
from bench.catalogue import fill, tell
from bench.client import Case
from bench.limits import creations_per_second
from bench.load import ask, compare, fire, get, post, sign_in
from bench.report import Row, at_least, inform
from bench.servers import Place, connect, serving

LIST = "/api/products/"
CONNECTIONS = 12
CREATING_CONNECTIONS = 8
POOL_SIZE = 10
SEVERAL_IDS = 5000
REACH = 0.6


class Sides(msgspec.Struct, frozen=True):
    """Ports of the product and of the bare servers, which all have the first core; and the processes behind them."""

    product: int
    bare: int
    plain: int
    product_pid: int
    bare_pid: int
    token: str
    list_bytes: int


async def prepare(place: Place, products: int) -> None:
    await servers.prepare(place)
    await fill(place, products)


async def measure(place: Place, products: int, *, quick: bool) -> list[Row]:
    await fill(place, products)
    # Many short turns: what else the machine does then meets both sides alike.
    rounds, seconds = (1, 0.5) if quick else (15, 1)
    with cores.postgres_apart(place):
        async with _sides(place) as sides:
            found = await _lists(sides, rounds, seconds)
            found += await _singles(place, sides, rounds, seconds)
            return found + await _creations(place, sides, rounds, seconds)


@contextlib.asynccontextmanager
async def _sides(place: Place) -> AsyncIterator[Sides]:
    async with serving(place, "app:app") as (port, pid):
        cores.pin(pid, cores.SERVER)
        token = await sign_in(port)
        answer = await ask(port, LIST, token)
        columns = list(answer.json()["results"][0])
        wish = Wish(place.database_url, POOL_SIZE, columns, len(answer.content))
        more = {VARIABLE: msgspec.json.encode(wish).decode()}
        async with serving(place, "bench.bare:app", more) as bare, serving(place, "bench.bare:plain", more) as plain:
            for _, other in (bare, plain):
                cores.pin(other, cores.SERVER)
            await _check_same(port, bare[0], token)
            yield Sides(port, bare[0], plain[0], pid, bare[1], token, len(answer.content))


async def _check_same(product: int, bare: int, token: str) -> None:
    """A limit that answers something else would be none."""
    ours = [row["id"] for row in (await ask(product, LIST, token)).json()["results"]]
    theirs = [row["id"] for row in (await ask(bare, "/list", "")).json()]
    if ours != theirs:
        raise servers.BenchFailed(f"The bare handler lists other products: {theirs[:3]} instead of {ours[:3]}.")


async def _lists(sides: Sides, rounds: int, seconds: float) -> list[Row]:
    def case(port: int, request: str) -> Case:
        return Case(port=port, requests=[request], connections=CONNECTIONS, seconds=seconds)

    rates = await compare(
        {
            "product": case(sides.product, get(LIST, sides.token)),
            "bare": case(sides.bare, get("/list")),
            "plain": case(sides.plain, get("/list")),
            "static": case(sides.bare, get("/static")),
            "uncounted": case(sides.product, get(f"{LIST}?count=none", sides.token)),
            "anonymous": case(sides.product, get(LIST)),
        },
        rounds,
    )
    tell(f"lists: {rates}")
    bytes_note = f"{sides.list_bytes:,} bytes, {CONNECTIONS} connections"
    return [
        at_least(REACH, "list of 50, bare Litestar handler", rates["product"], rates["bare"], note=bytes_note),
        await _processor_time(sides, 5 * seconds),
        inform("  against plain ASGI", rates["product"], "/s", rates["plain"]),
        inform("  against static bytes of the same size", rates["product"], "/s", rates["static"]),
        inform("  with count=none, against the bare handler", rates["uncounted"], "/s", rates["bare"]),
        inform("  anonymous (active products, public columns)", rates["anonymous"], "/s", rates["product"]),
    ]


async def _processor_time(sides: Sides, seconds: float) -> Row:
    """Of the server process for one answer: the same comparison, whatever else runs on the core."""
    used = []
    for port, pid, request in (
        (sides.product, sides.product_pid, get(LIST, sides.token)),
        (sides.bare, sides.bare_pid, get("/list")),
    ):
        before = cores.cpu_seconds(pid)
        (outcome,) = await fire([Case(port=port, requests=[request], connections=CONNECTIONS, seconds=seconds)])
        used.append((cores.cpu_seconds(pid) - before) / outcome.count * 1000)
    product, bare = used
    return inform("  its processor time for one answer", product, "ms", bare)


async def _singles(place: Place, sides: Sides, rounds: int, seconds: float) -> list[Row]:
    ids = await _some_ids(place)

    def case(port: int, requests: list[str]) -> Case:
        return Case(port=port, requests=requests, connections=CONNECTIONS, seconds=seconds)

    rates = await compare(
        {
            "product": case(sides.product, [get(f"{LIST}{number}/", sides.token) for number in ids]),
            "bare": case(sides.bare, [get(f"/one/{number}") for number in ids]),
        },
        rounds,
    )
    return [inform("one product by id, bare Litestar handler", rates["product"], "/s", rates["bare"])]


async def _some_ids(place: Place) -> list[int]:
    connection = await connect(place)
    try:
        found = await connection.fetch("SELECT id FROM product TABLESAMPLE SYSTEM (10) LIMIT 50000")
    finally:
        await connection.close()
    ids = [row["id"] for row in found]
    random.Random(7).shuffle(ids)
    return ids[:SEVERAL_IDS]


async def _creations(place: Place, sides: Sides, rounds: int, seconds: float) -> list[Row]:
    """Turn about with pgbench, which writes the same rows with the same number of clients."""
    ours, theirs = [], []
    for _ in range(min(rounds, 5)):
        ours.append(await _created_per_second(sides, seconds))
        theirs.append(await creations_per_second(place, CREATING_CONNECTIONS, max(round(seconds), 1)))
    note = f"{CREATING_CONNECTIONS} connections; product, event, level and ledger in one durable transaction"
    return [inform("new products, against pgbench", median(ours), "/s", median(theirs), note)]


async def _created_per_second(sides: Sides, seconds: float) -> float:
    marker = uuid4().hex[:8]
    requests = [
        post(LIST, _new_product(f"NEW-{marker}-{number}"), sides.token) for number in range(round(6000 * seconds))
    ]
    case = Case(port=sides.product, requests=requests, connections=CREATING_CONNECTIONS, seconds=seconds)
    return (await fire([case]))[0].per_second


def _new_product(sku: str) -> dict[str, object]:
    return {
        "sku": sku,
        "name": "Delta robust lamp teal",
        "description": "Made to be used every day.",
        "price": "19.99",
        "inventory_quantity": 7,
        "brand": "Delta",
    }
