"""Orders placed over HTTP at one uvicorn process, in turns with pgbench that writes the same rows."""

import random
from collections.abc import Mapping
from statistics import mean, median
from uuid import uuid4

import msgspec

from bench import cores
from bench.catalogue import fill, tell
from bench.client import Case
from bench.load import fire, post, sign_in
from bench.placing import LINES, Choice, Crowd, count_wrong, orders_per_second, stock_up
from bench.report import Row, at_least, equal, inform
from bench.servers import Place, serving
from bench.waiting import Watch, watching

ORDERS = "/api/sales-orders/"
CLIENTS = 8
CROWD = 50_000
REACH = 0.5
REQUESTS = 4000
# More than any server answers: a key that is sent again would only be replayed.
KEYED_PER_SECOND = 3000


class Kind(msgspec.Struct, frozen=True):
    what: str
    choice: Choice
    lines: int = 1
    has_key: bool = False


DISTINCT = Kind("orders, each of 1 of 50,000 products", Choice.DISTINCT)
HOT = Kind("orders, all of the same product", Choice.HOT)
LONG = Kind(f"orders of {LINES} lines", Choice.DISTINCT, lines=LINES)
KEYED = Kind("  with Idempotency-Key, against without", Choice.DISTINCT, has_key=True)


class Turn(msgspec.Struct, frozen=True):
    """Orders per second of both, PostgreSQL's milliseconds for one order of both, and what the product waited for."""

    product: float
    limit: float
    postgres: float
    postgres_limit: float
    watch: Watch


class Side(msgspec.Struct, frozen=True):
    """The measured web process, and what it is asked to sell."""

    place: Place
    crowd: Crowd
    port: int
    pid: int
    token: str


async def measure(place: Place, products: int, *, quick: bool) -> list[Row]:
    await fill(place, max(products, CROWD))
    crowd = await stock_up(place, CROWD)
    rounds, seconds = (1, 1) if quick else (6, 3)
    with cores.postgres_apart(place):
        async with serving(place, "app:app") as (port, pid):
            cores.pin(pid, cores.SERVER)
            side = Side(place, crowd, port, pid, await sign_in(port))
            turns: dict[Kind, list[Turn]] = {kind: [] for kind in (DISTINCT, HOT, LONG, KEYED)}
            await _take_turn(side, DISTINCT, 1)
            for _ in range(rounds):
                for kind, taken in turns.items():
                    taken.append(await _take_turn(side, kind, seconds))
    wrong = equal("levels and totals that are wrong afterwards", await count_wrong(place), 0, "")
    return [*_rows(turns), wrong]


async def _take_turn(side: Side, kind: Kind, seconds: int) -> Turn:
    case = Case(port=side.port, requests=_requests(side, kind, seconds), connections=CLIENTS, seconds=seconds)
    async with watching(side.place, side.pid) as watch:
        (outcome,) = await fire([case])
        watch.busy_seconds = outcome.seconds
    limit, postgres_limit = await orders_per_second(
        side.place, side.crowd, kind.choice, lines=kind.lines, clients=CLIENTS, seconds=seconds
    )
    tell(f"{kind.what.strip()}: {outcome.per_second:.0f}/s, pgbench {limit:.0f}/s")
    postgres = watch.postgres / outcome.per_second * 1000
    return Turn(outcome.per_second, limit, postgres, postgres_limit, watch)


def _requests(side: Side, kind: Kind, seconds: int) -> list[str]:
    """As pgbench orders: neighbours, one of each."""
    count = KEYED_PER_SECOND * seconds if kind.has_key else 1 if kind.choice is Choice.HOT else REQUESTS // kind.lines
    return [
        post(ORDERS, _order(_first(side.crowd, kind), kind.lines), side.token, key=uuid4().hex if kind.has_key else "")
        for _ in range(count)
    ]


def _first(crowd: Crowd, kind: Kind) -> int:
    return crowd.least if kind.choice is Choice.HOT else random.randint(crowd.least, crowd.most - kind.lines + 1)


def _order(first: int, lines: int) -> dict[str, object]:
    return {
        "lines": [{"product": product, "quantity": 1} for product in range(first, first + lines)],
        "customer_name": "Bench",
        "email": "bench@example.com",
    }


def _rows(turns: Mapping[Kind, list[Turn]]) -> list[Row]:
    rates = {kind: median(turn.product for turn in taken) for kind, taken in turns.items()}
    limits = {kind: median(turn.limit for turn in taken) for kind, taken in turns.items()}
    web = median(turn.watch.web / turn.product for turn in turns[DISTINCT]) * 1000
    return [
        at_least(REACH, DISTINCT.what, rates[DISTINCT], limits[DISTINCT], note=_note(turns[DISTINCT])),
        inform("  processor time of the web process for one", web, "ms"),
        _postgres_time(turns[DISTINCT]),
        inform(KEYED.what, rates[KEYED], "/s", rates[DISTINCT]),
        at_least(REACH, HOT.what, rates[HOT], limits[HOT], note=_note(turns[HOT])),
        inform(LONG.what, rates[LONG], "/s", limits[LONG], _note(turns[LONG])),
        _postgres_time(turns[LONG]),
    ]


def _postgres_time(turns: list[Turn]) -> Row:
    """The same comparison, whatever else runs on the machine."""
    ours, theirs = median(turn.postgres for turn in turns), median(turn.postgres_limit for turn in turns)
    return inform("  processor time of PostgreSQL for one", ours, "ms", theirs)


def _note(turns: list[Turn]) -> str:
    web, postgres = mean(turn.watch.web for turn in turns), mean(turn.watch.postgres for turn in turns)
    locks = mean(turn.watch.waiting_for("Lock") for turn in turns)
    disk = mean(turn.watch.waiting_for("IO", "LWLock") for turn in turns)
    return (
        f"web process {web:.0%}, PostgreSQL {postgres:.0%} of a core each; "
        f"of {CLIENTS} clients {locks:.1f} wait for a row, {disk:.1f} for the disk"
    )
