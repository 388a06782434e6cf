"""What safety costs: a list with and without authentication, and beside people who sign in."""

import asyncio
from statistics import median
from uuid import uuid4

import httpx

from bench import cores, servers
from bench.catalogue import fill, tell
from bench.client import Case, Outcome
from bench.load import compare, fire, get, post, sign_in
from bench.report import Row, at_least, below, inform
from bench.servers import HOST, PASSWORD, PYTHON, BenchFailed, Place, serving

LIST = "/api/products/"
CUSTOMER = "customer@example.com"
CONNECTIONS = 12
SIGNING_IN = 5
PEOPLE = [f"person{number}@example.com" for number in range(SIGNING_IN)]
MOST_COST = 0.15
IDLE_TIMES = 2
PAUSE_SECONDS = 0.02


async def measure(place: Place, products: int, *, quick: bool) -> list[Row]:
    await fill(place, products)
    # A customer sees what an anonymous caller of a public catalogue sees: the answers are the same, byte for byte.
    await servers.run(place, "seed", [PYTHON, "-m", "litestar", "seed", "--password", PASSWORD])
    found = await _authentication(place, *((1, 0.5) if quick else (15, 1)))
    return found + await _beside_sign_ins(place, *((1, 1) if quick else (5, 4)))


async def _authentication(place: Place, rounds: int, seconds: float) -> list[Row]:
    with cores.postgres_apart(place):
        async with serving(place, "app:app") as (port, pid):
            cores.pin(pid, cores.SERVER)
            token = await sign_in(port, CUSTOMER)
            requests = {"with": get(LIST, token), "without": get(LIST)}
            cases = {
                name: Case(port=port, requests=[request], connections=CONNECTIONS, seconds=seconds)
                for name, request in requests.items()
            }
            rates = await compare(cases, rounds)
    note = f"at most {MOST_COST:.0%} of a list; limit: the same list of a public catalogue, anonymous"
    return [at_least(1 - MOST_COST, "list with authentication", rates["with"], rates["without"], note=note)]


async def _beside_sign_ins(place: Place, rounds: int, seconds: float) -> list[Row]:
    """Idle and beside in turns, so that what else the machine does meets both alike. Nothing is pinned: hashing may
    take every core that it gets."""
    async with serving(place, "app:app") as (port, _pid):
        token = await sign_in(port)
        await _make_people(port, token)
        await _list(port, token, 0.5)
        turns = [(await _list(port, token, seconds), *await _both(place, port, token, seconds)) for _ in range(rounds)]
    idle, busy = (median(outcome.p95 for outcome in side) for side in list(zip(*turns, strict=True))[:2])
    signed_in = median(turn[2].per_second for turn in turns)
    tell(f"list p95 {idle:.1f} ms idle, {busy:.1f} ms beside {signed_in:.0f} sign-ins/s")
    note = f"limit: idle; {SIGNING_IN} people sign in all the time"
    return [
        below(IDLE_TIMES * idle, f"p95 of a list beside {SIGNING_IN} sign-ins at once", busy, "ms", idle, note),
        inform("sign-ins beside it", signed_in, "/s"),
    ]


async def _make_people(port: int, token: str) -> None:
    """Each with an account of their own: attempts at one account take turns."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", headers=headers, timeout=30) as client:
        for email in PEOPLE:
            wish = {"email": email, "password": PASSWORD, "re_password": PASSWORD, "role": "customer"}
            answer = await client.post("/auth/users/", json=wish)
            if answer.status_code != httpx.codes.CREATED:
                raise BenchFailed(f"No user could be made: {answer.status_code} {answer.text[:500]}")


async def _both(place: Place, port: int, token: str, seconds: float) -> tuple[Outcome, Outcome]:
    """The list, and the sign-ins that go on until it has been measured."""
    ended = place.directory / f"ended-{uuid4().hex}"
    wishes = [post("/auth/jwt/create/", {"email": email, "password": PASSWORD}, "") for email in PEOPLE]
    crowd = Case(port=port, requests=wishes, connections=SIGNING_IN, until=str(ended))
    signing_in = asyncio.create_task(fire([crowd]))
    try:
        listed = await _list(port, token, seconds)
    finally:
        ended.touch()
    return listed, (await signing_in)[0]


async def _list(port: int, token: str, seconds: float) -> Outcome:
    return (await fire([Case(port=port, requests=[get(LIST, token)], seconds=seconds, pause=PAUSE_SECONDS)]))[0]
