"""Health over HTTP: whether this process lives, and whether it can serve."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from types import MappingProxyType
from typing import Literal, TypeAlias

import asyncpg
import msgspec
from litestar import Controller, Response, get
from litestar.openapi import ResponseSpec
from redis.exceptions import RedisError
from saq.utils import now

from domains.accounts.auth import IGNORES_COOKIE, public
from piccolo_conf import fetch_value
from queues.job import QUEUES

LONGEST_PROBE_SECONDS = 1
LONGEST_WAIT_SECONDS = 600
LONGEST_TICK_SECONDS = 90
LONGEST_RELAY_SECONDS = 60
LONGEST_SENDING_SECONDS = 120
LONGEST_INBOX_SECONDS = 60

# Relies on import_job_unfinished.
OLDEST_IMPORT = "SELECT extract(epoch FROM now() - min(created_at))::float8 FROM import_job WHERE status = 'pending'"

# Ticks that nobody heard, runs that nobody began, and runs that nobody went on with. A run behind another one waits for
# its turn. Relies on schedule_due and schedule_run_unfinished.
OLDEST_TICK = """
    SELECT extract(epoch FROM now() - least(
        (SELECT min(next_run_at) FROM schedule WHERE enabled AND next_run_at < now()),
        (SELECT min(due_at) FROM schedule_run r WHERE state = 'pending' AND NOT EXISTS (
            SELECT FROM schedule_run o WHERE o.schedule = r.schedule AND o.state = 'running')),
        (SELECT min(lease_until) FROM schedule_run WHERE state = 'running' AND lease_until < now())
    ))::float8
"""

# The first of them by number, which is among the oldest. Relies on event_unrelayed.
OLDEST_EVENT = """
    SELECT extract(epoch FROM now() - occurred_at)::float8 FROM event WHERE relayed_at IS NULL ORDER BY id LIMIT 1
"""

# Of each endpoint what is longest due and held by nobody, a look at the head of webhook_delivery_due. A receiver that
# is slow, or wants only so many a second, lets things wait that are not forgotten: to it something was sent of late,
# as the end of webhook_attempt_endpoint tells.
OLDEST_DELIVERY = f"""
    SELECT extract(epoch FROM now() - min(due.next_attempt_at))::float8
    FROM webhook_endpoint p CROSS JOIN LATERAL (
        SELECT next_attempt_at FROM webhook_delivery d
        WHERE d.endpoint = p.id AND d.state = 'pending' AND d.next_attempt_at < now()
            AND (d.locked_until IS NULL OR d.locked_until < now())
        ORDER BY d.next_attempt_at, d.id LIMIT 1
    ) due
    WHERE p.is_enabled AND NOT EXISTS (
        SELECT FROM (SELECT started_at FROM webhook_attempt a WHERE a.endpoint = p.id ORDER BY a.id DESC LIMIT 1) latest
        WHERE latest.started_at > now() - interval '{LONGEST_SENDING_SECONDS} seconds'
    )
"""

# A parked one that is due is as much a sign that nobody works. A look at the head of inbound_webhook_due.
OLDEST_INBOUND = """
    SELECT extract(epoch FROM now() - next_attempt_at)::float8 FROM inbound_webhook
    WHERE state IN ('pending', 'parked') AND next_attempt_at < now() ORDER BY next_attempt_at, id LIMIT 1
"""

Verdict: TypeAlias = tuple[bool, str]


class Check(msgspec.Struct, frozen=True):
    ok: bool
    detail: str
    milliseconds: float


class Readiness(msgspec.Struct, frozen=True):
    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Check]


class Liveness(msgspec.Struct, frozen=True):
    status: Literal["live"] = "live"


class HealthController(Controller):
    path = "/health"
    tags = ("Health",)
    guards = (public,)
    opt = MappingProxyType({IGNORES_COOKIE: True})

    @get("/live", sync_to_thread=False, summary="Is this process alive")
    def live(self) -> Liveness:
        """Asks nobody: a database that is down is no reason to restart this process."""
        return Liveness()

    @get(
        "/ready",
        responses={503: ResponseSpec(Readiness, description="Requests cannot be served.")},
        summary="Can requests be served",
    )
    async def ready(self) -> Response[Readiness]:
        """Probes PostgreSQL, Redis, the workers, and the oldest import, tick, event, webhook out and webhook in that
        wait."""
        checks = await check_all()
        status = verdict(checks)
        code = HTTPStatus.SERVICE_UNAVAILABLE if status == "unavailable" else HTTPStatus.OK
        return Response(Readiness(status, checks), status_code=code, headers={"cache-control": "no-store"})


def verdict(checks: dict[str, Check]) -> Literal["ready", "degraded", "unavailable"]:
    # Without Redis, without a worker or with a long queue requests are still served, and jobs wait in their rows:
    # taking this process out of the load balancer would turn a delay into an outage.
    if not checks["postgresql"].ok:
        return "unavailable"
    return "ready" if all(check.ok for check in checks.values()) else "degraded"


async def check_all() -> dict[str, Check]:
    checks = await asyncio.gather(*(measure(probe) for probe in PROBES.values()))
    return dict(zip(PROBES, checks, strict=True))


async def measure(probe: Callable[[], Awaitable[Verdict]]) -> Check:
    """Never raises. An error is told by its kind alone: its text may hold addresses and names."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(LONGEST_PROBE_SECONDS):
            ok, detail = await probe()
    except TimeoutError:
        ok, detail = False, f"no answer within {LONGEST_PROBE_SECONDS} s"
    except (asyncpg.PostgresError, asyncpg.InterfaceError, RedisError, OSError) as error:
        ok, detail = False, type(error).__name__
    return Check(ok, detail, round((time.perf_counter() - started) * 1000, 1))


async def probe_postgresql() -> Verdict:
    await fetch_value("SELECT 1")
    return True, "answers"


async def probe_redis() -> Verdict:
    await QUEUES["default"].redis.ping()
    return True, "answers"


async def probe_workers() -> Verdict:
    """SAQ's workers each keep a line here that expires a minute after they stop."""
    queue = QUEUES["default"]
    count = await queue.redis.zcount(queue.namespace("stats"), now(), "+inf")
    return count > 0, f"{count} running"


def probe_oldest(statement: str, longest_seconds: int) -> Callable[[], Awaitable[Verdict]]:
    """Whether what waits longest, by a statement that tells its seconds, has not waited too long."""

    async def probe() -> Verdict:
        age = await fetch_value(statement)
        if age is None:
            return True, "none waits"
        return age <= longest_seconds, f"the oldest waits {age:.0f} s"

    return probe


async def probe_deliveries() -> Verdict:
    age = await fetch_value(OLDEST_DELIVERY)
    if age is None:
        return True, "every endpoint is served"
    return age <= LONGEST_SENDING_SECONDS, f"the oldest that nobody sends waits {age:.0f} s"


PROBES = {
    "postgresql": probe_postgresql,
    "redis": probe_redis,
    "workers": probe_workers,
    "imports": probe_oldest(OLDEST_IMPORT, LONGEST_WAIT_SECONDS),
    "schedules": probe_oldest(OLDEST_TICK, LONGEST_TICK_SECONDS),
    "events": probe_oldest(OLDEST_EVENT, LONGEST_RELAY_SECONDS),
    "deliveries": probe_deliveries,
    "shopify": probe_oldest(OLDEST_INBOUND, LONGEST_INBOX_SECONDS),
}
