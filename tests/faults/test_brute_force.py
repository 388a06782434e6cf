"""X8 and X9: guessers from one address and from hundreds, and what the clock tells them."""

import asyncio
import itertools
import math
import statistics
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.faults.harness import House, free_port, make_seed

PASSWORD = "correct horse battery"
MOST_TRIED = 10
LONGEST_LIST_SECONDS = 0.3
ATTACKERS_AT_ONCE = 50
FAIL_OFTEN_ENOUGH = {401, 429}

# All with Ada's password, so that nothing has to be hashed here.
MAKE_USERS = """
    INSERT INTO users (username, email, password, role, admin, superuser, active, email_verified_at, created_at)
    SELECT name, name || '@example.com', (SELECT password FROM users WHERE username = 'ada'), 'customer',
           false, false, name NOT LIKE 'inactive%', now(), now()
    FROM unnest($1::text[]) AS name
"""


class Web:
    """Some web processes, and clients at loopback addresses of their own."""

    def __init__(self, house: House, processes: int) -> None:
        self.house = house
        self.ports = [free_port() for _ in range(processes)]
        self.turn = itertools.cycle(self.ports)
        self.rng = make_seed()

    async def start(self) -> None:
        for port in self.ports:
            await asyncio.to_thread(self.house.start_web, port)
        account = ("--email", "ada@example.com", "--username", "ada", "--password", PASSWORD)
        assert await asyncio.to_thread(self.house.start("litestar", "create-admin", *account).wait) == 0
        await self.house.ask(MAKE_USERS, ["bob", "eve"])

    async def sign_in(self, address: str, name: str, password: str) -> tuple[int, dict[str, str]]:
        """Status and answer; each attempt claims to come from another address."""
        spoofed = ".".join(str(self.rng.randrange(1, 255)) for _ in range(4))
        url = f"http://127.0.0.1:{next(self.turn)}/auth/jwt/create/"
        headers = {"X-Forwarded-For": spoofed, "X-Real-IP": spoofed, "Forwarded": f"for={spoofed}"}
        body = {"username": name, "password": password}
        async with session_at(address) as session, session.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def attack(self, name: str, addresses: list[str], times: int) -> Counter[int]:
        """Statuses of wrong passwords, many at once, from each address in turn."""
        gate = asyncio.Semaphore(ATTACKERS_AT_ONCE)

        async def guess(number: int) -> int:
            async with gate:
                return (await self.sign_in(addresses[number % len(addresses)], name, f"guess {number}"))[0]

        return Counter(await asyncio.gather(*(guess(number) for number in range(times))))


def session_at(address: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(address, 0)))


def addresses(count: int) -> list[str]:
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]


class Shopper:
    """Somebody who reads the product list of one process after the other, with a watch."""

    def __init__(self, ports: list[int], token: str) -> None:
        self.ports = ports
        self.headers = {"Authorization": f"Bearer {token}"}
        self.seconds: list[float] = []

    async def read_on(self) -> None:
        async with aiohttp.ClientSession(headers=self.headers) as session:
            for port in itertools.cycle(self.ports):
                began = time.perf_counter()
                async with session.get(f"http://127.0.0.1:{port}/api/products/?page_size=50") as answer:
                    assert answer.status == 200
                    await answer.read()
                self.seconds.append(time.perf_counter() - began)
                await asyncio.sleep(0.01)

    def p95(self) -> float:
        return statistics.quantiles(self.seconds, n=20)[-1]


async def attack_under_watch(house: House, *, processes: int, attempts: int, crowd: int) -> None:
    web = Web(house, processes)
    await web.start()
    status, tokens = await web.sign_in("127.0.0.9", "ada", PASSWORD)
    assert status == 200
    assert (await web.sign_in("127.0.0.9", "bob", PASSWORD))[0] == 200
    shopper = Shopper(web.ports, tokens["access"])
    reading = asyncio.create_task(shopper.read_on())
    await lone_guesser(web, attempts)
    for name in ("bob", "nobody"):
        statuses = await web.attack(name, addresses(crowd), attempts)
        print(f"{attempts} guesses at {name} from {crowd} addresses: {dict(statuses)}")
        assert statuses.keys() <= FAIL_OFTEN_ENOUGH
        assert 1 <= statuses[401] <= MOST_TRIED
    assert (await web.sign_in("127.0.0.9", "bob", PASSWORD))[0] == 200, "the owner must get in where they are known"
    assert (await web.sign_in("127.0.0.10", "bob", "wrong"))[0] == 429
    assert not reading.done()
    reading.cancel()
    print(f"{len(shopper.seconds)} product lists meanwhile, p95 {shopper.p95() * 1000:.0f} ms")
    assert shopper.p95() < LONGEST_LIST_SECONDS


async def lone_guesser(web: Web, attempts: int) -> None:
    statuses = await web.attack("eve", ["127.0.0.2"], attempts)
    print(f"{attempts} guesses at eve from one address: {dict(statuses)}")
    assert statuses == {401: 5, 429: attempts - 5}
    assert (await web.sign_in("127.0.0.2", "eve", PASSWORD))[0] == 429
    assert (await web.sign_in("127.0.0.3", "eve", PASSWORD))[0] == 200, "the owner must get in from elsewhere"


@pytest.mark.faults
async def test_x8_guessers_are_stopped_by_four_processes_together(tmp_path: Path) -> None:
    with House(tmp_path).running() as house:
        await attack_under_watch(house, processes=4, attempts=1000, crowd=200)


@pytest.mark.faults
async def test_x9_the_clock_tells_nothing_about_who_exists(tmp_path: Path) -> None:
    with House(tmp_path).running() as house:
        web = Web(house, 1)
        await web.start()
        names = [f"{kind}{number}" for kind in ("known", "inactive", "long") for number in range(100)]
        await house.ask(MAKE_USERS, names)
        seconds = await time_failures(web, 100)
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    print({kind: f"{median * 1000:.2f} ms" for kind, median in medians.items()})
    for one, other in itertools.combinations(seconds, 2):
        difference = abs(medians[one] - medians[other]) / min(medians[one], medians[other])
        p = mann_whitney_p(seconds[one], seconds[other])
        print(f"{one} and {other}: medians differ {difference:.1%}, p = {p:.3f}")
        assert difference < 0.05 or p > 0.01


async def time_failures(web: Web, each: int) -> dict[str, list[float]]:
    """Sign-ins one after the other, each with an account and an address of its own, so that no limit interferes."""
    kinds = {"unknown": "wrong", "known": "wrong", "inactive": PASSWORD, "long": "p" * 129}
    tries = [(kind, number) for kind in kinds for number in range(each)]
    web.rng.shuffle(tries)
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    bodies = set()
    for turn, (kind, number) in enumerate(tries):
        began = time.perf_counter()
        status, body = await web.sign_in(f"127.2.{turn // 250}.{turn % 250 + 1}", f"{kind}{number}", kinds[kind])
        seconds[kind].append(time.perf_counter() - began)
        bodies.add((status, *body.items()))
    assert len(bodies) == 1
    return seconds


def mann_whitney_p(one: list[float], other: list[float]) -> float:
    """How likely two samples of one distribution differ so much in rank (normal approximation; no ties in times)."""
    ranks = {value: rank for rank, value in enumerate(sorted(one + other), 1)}
    n, m = len(one), len(other)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_comparison_of_ranks_knows_equal_from_different() -> None:
    ordered = [float(number) for number in range(200)]
    assert mann_whitney_p(ordered[::2], ordered[1::2]) > 0.5
    assert mann_whitney_p(ordered[:100], ordered[100:]) < 1e-9
