"""How Shopify delivers: at least once, in any order, some an hour late, and again until it is answered 200."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import aiohttp

from tests.faults.shop import Event

# As tests/conftest.py sets it for the app in this process.
SECRET = "hush-for-tests"
SHOP = "lamps-and-more.myshopify.com"
# What a House has to be told so that anything is taken.
SETTINGS = {"SHOPIFY_WEBHOOK_SECRET": SECRET}
LONGEST_ANSWER_SECONDS = 5.0
# Shopify's eight retries take four hours.
PAUSES = (0.2, 0.5, 1, 2, 3, 5, 10, 20)
MOST_COPIES = 5
LATE_SHARE, TWICE_SUBSCRIBED_SHARE, FORGED_SHARE = 0.1, 0.1, 0.01


class Call(NamedTuple):
    """One delivery of a webhook; a forged one is not signed with the secret."""

    topic: str
    body: bytes
    triggered_at: datetime
    webhook_id: str
    is_forged: bool = False


def make_calls(
    rng: random.Random, events: Sequence[Event], *, jitter: timedelta, most_copies: int = MOST_COPIES
) -> list[Call]:
    """Each event once to `most_copies` times, within `jitter` of the time when it happened; some copies come more than
    an hour later, some under another id, as to a shop that subscribed twice. Some are forged."""
    timed: list[tuple[datetime, float, Call]] = []
    for event in events:
        for copy in range(rng.randint(1, most_copies)):
            is_other = copy > 0 and rng.random() < TWICE_SUBSCRIBED_SHARE
            call = Call(*event)._replace(webhook_id=f"{event.webhook_id}-again" if is_other else event.webhook_id)
            timed.append((event.triggered_at + _delay(rng, jitter), rng.random(), call))
    for number, event in enumerate(rng.sample(list(events), round(len(events) * FORGED_SHARE))):
        timed.append((event.triggered_at + _delay(rng, jitter), rng.random(), _forge(event, number)))
    return [call for _at, _draw, call in sorted(timed)]


def _delay(rng: random.Random, jitter: timedelta) -> timedelta:
    late = timedelta(hours=rng.uniform(1, 5)) if rng.random() < LATE_SHARE else timedelta(0)
    return late + jitter * rng.random()


def _forge(event: Event, number: int) -> Call:
    """Newer than all, and with other amounts: what is taken of it shows at the end."""
    body = json.loads(event.body) | {"title": "Forged", "available": 666, "updated_at": "2099-01-01T00:00:00-05:00"}
    later = event.triggered_at + timedelta(days=365)
    return Call(event.topic, json.dumps(body).encode(), later, f"forged-{number}", is_forged=True)


class Sender:
    """Sends to `url`; `statuses` of genuine and of forged ones, `seconds` of every answer."""

    def __init__(self, url: str, rng: random.Random) -> None:
        self.url = url
        self.rng = rng
        self.statuses: Counter[int] = Counter()
        self.forged: Counter[int] = Counter()
        self.unanswered = 0
        self.seconds: list[float] = []

    async def send(self, calls: Sequence[Call], *, at_once: int = 8, per_second: float = float("inf")) -> None:
        """All of them, each until it is answered as it should be."""
        turns, began = iter(enumerate(calls)), time.monotonic()

        async def work(session: aiohttp.ClientSession) -> None:
            for number, call in turns:
                await asyncio.sleep(max(number / per_second - (time.monotonic() - began), 0))
                await self._deliver(session, call)

        timeout = aiohttp.ClientTimeout(total=LONGEST_ANSWER_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(work(session) for _ in range(at_once)))

    async def _deliver(self, session: aiohttp.ClientSession, call: Call) -> None:
        """As Shopify does; raises AssertionError when it would give up."""
        expected = 401 if call.is_forged else 200
        for pause in itertools.chain(PAUSES, (None,)):
            if (status := await self._post(session, call)) == expected:
                return
            assert status is None or not call.is_forged, f"a forged webhook was answered {status}"
            assert pause is not None, f"{call.webhook_id} was never taken: {self.statuses}"
            await asyncio.sleep(pause * self.rng.uniform(0.8, 1.2))

    async def _post(self, session: aiohttp.ClientSession, call: Call) -> int | None:
        """The status; None when there was no answer."""
        began = time.monotonic()
        try:
            async with session.post(self.url, data=call.body, headers=headers_of(call, self.rng)) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            self.unanswered += 1
            return None
        self.seconds.append(time.monotonic() - began)
        (self.forged if call.is_forged else self.statuses)[answer.status] += 1
        return answer.status

    def tell(self) -> str:
        ordered = sorted(self.seconds)
        p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
        return (
            f"{len(ordered)} answers {dict(self.statuses)}, forged {dict(self.forged)}, {self.unanswered} unanswered; "
            f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, the slowest {ordered[-1] * 1000:.0f} ms"
        )

    def check_speed(self, p99: float, slowest: float) -> None:
        ordered = sorted(self.seconds)
        assert ordered[int(len(ordered) * 0.99)] < p99
        assert ordered[-1] < slowest


def headers_of(call: Call, rng: random.Random) -> dict[str, str]:
    """Named as today or as soon, in any case."""
    told = {
        "Topic": call.topic,
        "Hmac-Sha256": sign(call.body, "guessed" if call.is_forged else SECRET),
        "Shop-Domain": SHOP,
        "API-Version": "2026-04",
        "Webhook-Id": call.webhook_id,
        "Event-Id": call.webhook_id.partition("-again")[0],
        "Triggered-At": call.triggered_at.strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
    }
    prefix = rng.choice(("X-Shopify-", "x-shopify-", "Shopify-"))
    return {"Content-Type": "application/json"} | {f"{prefix}{name}": value for name, value in told.items()}


def sign(body: bytes, secret: str) -> str:
    """As shopify.dev says it, and not as the product does."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
