import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domains.accounts import idempotency
from domains.accounts.idempotency import Answer, answer, fingerprint_of, once
from domains.accounts.tables import Role
from lib import clock
from lib.errors import Conflict
from piccolo_conf import execute, fetch_value, transaction
from tests.conftest import make_user

PRINT = fingerprint_of("POST /orders", b"{}")
# Not sorted, spaced or typed as jsonb would give it back.
BODY = b'{"z": 1, "a":  [1.50, "\\u00e9"]}'


@pytest.fixture
async def owner(database: None) -> int:
    return await make_user(Role.STAFF, "owner")


def making(username: str, seconds: float = 0) -> Callable[[], Awaitable[Answer]]:
    async def act() -> Answer:
        await make_user(Role.CUSTOMER, username)
        await asyncio.sleep(seconds)
        return Answer(201, BODY)

    return act


async def effects() -> int:
    count: int = await fetch_value("SELECT count(*) FROM users WHERE username <> 'owner'")
    return count


async def refuse() -> Answer:
    await make_user(Role.CUSTOMER, "half")
    raise Conflict("no")


async def test_a_second_request_gets_the_first_answer(owner: int) -> None:
    answers = [await once("key", owner, PRINT, making("one")), await once("key", owner, PRINT, making("two"))]
    assert answers == [Answer(201, BODY)] * 2
    assert await effects() == 1


async def test_without_a_key_every_request_counts(owner: int) -> None:
    await once(None, owner, PRINT, making("one"))
    await once(None, owner, PRINT, making("two"))
    assert await effects() == 2


async def test_another_content_under_the_same_key_is_refused(owner: int) -> None:
    await once("key", owner, PRINT, making("one"))
    with pytest.raises(idempotency.IdempotencyKeyReused):
        await once("key", owner, fingerprint_of("POST /orders", b"[]"), making("two"))
    assert await effects() == 1


async def test_fifty_at_once_have_one_effect(owner: int) -> None:
    asked = (once("key", owner, PRINT, making(f"user{n}", 0.05)) for n in range(50))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in answers if isinstance(one, idempotency.IdempotencyKeyInUse)]
    assert await effects() == 1
    assert {one for one in answers if isinstance(one, Answer)} == {Answer(201, BODY)}
    assert len(refused) + sum(isinstance(one, Answer) for one in answers) == 50
    assert await once("key", owner, PRINT, making("late")) == Answer(201, BODY)


async def test_a_request_that_still_runs_is_a_conflict(owner: int) -> None:
    is_running, may_end = asyncio.Event(), asyncio.Event()

    async def act() -> Answer:
        is_running.set()
        await may_end.wait()
        return await making("one")()

    first = asyncio.create_task(once("key", owner, PRINT, act))
    await is_running.wait()
    with pytest.raises(idempotency.IdempotencyKeyInUse) as caught:
        await once("key", owner, PRINT, making("two"))
    may_end.set()
    assert (caught.value.status, caught.value.code) == (409, "idempotency_key_in_use")
    assert await first == Answer(201, BODY)


async def test_a_failure_keeps_nothing_and_may_be_tried_again(owner: int) -> None:
    with pytest.raises(Conflict):
        await once("key", owner, PRINT, refuse)
    assert await effects() == 0
    assert await once("key", owner, PRINT, making("one")) == Answer(201, BODY)


async def test_keys_of_two_users_are_two_keys(owner: int) -> None:
    other = await make_user(Role.STAFF, "other")
    await once("key", owner, PRINT, making("one"))
    await once("key", other, fingerprint_of("something else"), making("two"))
    assert await effects() == 3


async def test_an_answer_is_forgotten_after_a_day(owner: int, monkeypatch: pytest.MonkeyPatch) -> None:
    await once("key", owner, PRINT, making("one"))
    later = clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    await once("key", owner, fingerprint_of("another"), making("two"))
    assert await effects() == 2


async def test_only_old_records_are_deleted(owner: int) -> None:
    await once("old", owner, PRINT, making("one"))
    await execute("UPDATE idempotency_record SET created_at = now() - interval '25 hours'")
    await once("new", owner, PRINT, making("two"))
    await idempotency.forget_old_records()
    assert await fetch_value("SELECT string_agg(key, ',') FROM idempotency_record") == "new"


async def test_the_record_is_part_of_the_outermost_transaction(owner: int) -> None:
    with pytest.raises(Conflict):
        async with transaction():
            await once("key", owner, PRINT, making("one"))
            raise Conflict
    assert await effects() == 0
    assert await fetch_value("SELECT count(*) FROM idempotency_record") == 0


@pytest.mark.parametrize("key", ["", "k" * 256, "kéy", "a\nb", "a\0", "\x7f", "\u0661"])
async def test_a_key_is_printable_ascii_of_limited_length(owner: int, key: str) -> None:
    with pytest.raises(idempotency.BadIdempotencyKey):
        await once(key, owner, PRINT, making("one"))
    assert await effects() == 0


@pytest.mark.parametrize("key", ["k", "k" * 255, "a b", '"8e03978e-40d5-43dd-bc93-6894a57f9324"'])
async def test_a_good_key_is_accepted(owner: int, key: str) -> None:
    assert (await once(key, owner, PRINT, making("one"))).status == 201


def test_a_fingerprint_tells_where_its_parts_end() -> None:
    assert fingerprint_of("ab", "c") != fingerprint_of("a", "bc")
    assert fingerprint_of("a", b"b") == fingerprint_of("a", "b")


def test_an_answer_holds_json() -> None:
    assert answer(201, {"id": 1}) == Answer(201, b'{"id":1}')
