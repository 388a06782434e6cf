"""R11: ten attempts in three days, as the schedule says, a fifth more or less; what a receiver asks for is heard."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.webhooks.retries import WAITS, wait_after
from domains.webhooks.sending import Outcome, Target, excerpt_of, send
from lib.egress_errors import Failure
from tests.lib.loopback import Answer, Loopback, reply, saying, serving
from tests.webhooks.conftest import FrozenClock
from tests.webhooks.making import (
    attempts,
    deliver,
    deliver_at_its_time,
    deliveries,
    endpoint_row,
    make_endpoint,
    record,
)

NO = Outcome(500, None, 10)
SECONDS = [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


async def test_ten_attempts_are_made_when_the_schedule_says_and_then_it_is_given_up(
    database: None, lane: None, frozen: FrozenClock
):
    async with serving(saying(reply("503 No"))) as server:
        await make_endpoint(server.url)
        await record()
        await deliver()
        waits = [await deliver_at_its_time(frozen) for _ in SECONDS[1:]]
    for wait, seconds in zip(waits, SECONDS[1:], strict=True):
        assert 0.8 * seconds <= wait.total_seconds() <= 1.2 * seconds
    assert len(server.requests) == 10
    [delivery] = await deliveries()
    assert (delivery["state"], delivery["attempt"]) == ("failed", 10)
    assert [row["number"] for row in await attempts()] == [*range(1, 11)]


@given(st.integers(1, 9), st.none() | st.floats(0, 1e6), st.sampled_from([408, 425, 429, 404, 500, None]))
def test_every_wait_lies_between_what_is_planned_and_twice_that_and_rests_are_a_minute(
    step: int, asked: float | None, status: int | None
):
    outcome = Outcome(status, None if status else Failure.TIMED_OUT.value, 10, retry_after=asked)
    wait = wait_after(step, outcome)
    planned = WAITS[step].total_seconds()
    least = 60 if status in (429, None) else 0
    assert wait is not None
    assert max(0.8 * planned, least) <= wait.total_seconds() <= max(1.2 * 2 * planned, least)


def test_a_receiver_that_asks_for_two_hours_before_the_half_hour_step_gets_one():
    waits = [wait_after(3, Outcome(503, None, 1, retry_after=7200)) for _ in range(200)]
    minutes = [wait.total_seconds() / 60 for wait in waits if wait]
    assert 48 <= min(minutes) < 54 < 66 < max(minutes) <= 72


def test_after_the_tenth_attempt_there_is_none():
    assert wait_after(9, NO) is not None
    assert wait_after(10, NO) is None


@pytest.mark.parametrize(("header", "least", "most"), [("120", 120, 120), ("soon", 0, 0), ("-5", 0, 0)])
async def test_the_time_that_a_receiver_asks_for_is_read(lane: None, header: str, least: float, most: float):
    async with serving(saying(reply("429 Wait", b"", f"Retry-After: {header}"))) as server:
        outcome = await send_to(server)
    assert least <= (outcome.retry_after or 0) <= most


async def test_the_time_may_be_a_date(lane: None):
    at = (datetime.now(UTC) + timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    async with serving(saying(reply("503 Wait", b"", f"Retry-After: {at}"))) as server:
        outcome = await send_to(server)
    assert outcome.retry_after is not None
    assert 3500 < outcome.retry_after <= 3600


async def send_to(server: Loopback) -> Outcome:
    return await send(Target(1, server.url, (b"k" * 32,)), "msg_1", b"{}")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_a_failure_and_is_not_followed(database: None, lane: None, status: int):
    async with (
        serving(saying(reply())) as elsewhere,
        serving(saying(reply(f"{status} Moved", b"", f"Location: {elsewhere.url}"))) as server,
    ):
        await make_endpoint(server.url)
        await record()
        await deliver()
    assert (len(server.requests), elsewhere.connections) == (1, 0)
    assert (await deliveries())[0]["state"] == "pending"


async def test_410_ends_it_at_the_first_attempt_and_disables_the_endpoint(database: None, lane: None):
    async with serving(saying(reply("410 Gone"))) as server:
        endpoint = await make_endpoint(server.url)
        await record()
        await deliver()
        await record()
        await deliver()
    assert len(server.requests) == 1
    assert [row["state"] for row in await deliveries()] == ["failed"]
    row = await endpoint_row(endpoint)
    assert (row["is_enabled"], row["disabled_reason"]) == (False, "gone")


def test_an_excerpt_is_short_text_without_nul():
    assert excerpt_of(b"a\0b") == "ab"
    assert len(excerpt_of(b"\xff" * 9000).encode()) <= 4096
    assert excerpt_of("ü".encode() * 4000).endswith("ü")


ANSWERS: list[Answer] = [saying(b"HTTP/1.1 200 OK\r\n", then_close=True), saying(b"nonsense\r\n\r\n", then_close=True)]


@pytest.mark.parametrize("answer", ANSWERS, ids=["cut off", "not http"])
async def test_whatever_a_receiver_says_is_an_attempt_that_failed(database: None, lane: None, answer: Answer):
    async with serving(answer) as server:
        await make_endpoint(server.url)
        await record()
        await asyncio.wait_for(deliver(), 10)
    [attempt] = await attempts()
    assert attempt["error_class"] in {"connection_lost", "bad_reply"}
