"""What is limited, for whom, and that Retry-After is true."""

import asyncio
from datetime import timedelta

import pytest

from domains.accounts import limits, management, sessions
from domains.accounts.account_schemas import UserPatch
from domains.accounts.limits import HOUR, QUARTER, Limit, TooManyAttempts, Window
from domains.accounts.schemas import Device
from domains.accounts.tables import Role
from lib import clock, sliding_windows
from lib.redis_client import line
from piccolo_conf import execute, fetch_value
from tests.conftest import make_user

HERE = "203.0.113.7"
# So long the tries of a test may take together.
SLOWNESS = 60
FAILING = Limit(name="failing", pair=Window(2, QUARTER, failures=True), account=Window(4, QUARTER))


def address(number: int) -> str:
    return f"198.51.{number // 250}.{number % 250}"


async def try_often(limit: Limit, times: int, **who: str) -> int:
    """How many are admitted."""
    results = [await attempt(limit, **who) for _ in range(times)]
    return sum(result is None for result in results)


async def attempt(limit: Limit, **who: str) -> TooManyAttempts | None:
    try:
        await limits.count(limit, **who)
    except TooManyAttempts as error:
        return error
    return None


async def let_pass(seconds: float) -> None:
    """As if so much time had gone by since everything that was counted."""
    async for key in line.client.scan_iter(f"{sliding_windows.PREFIX}*"):
        for mark in await line.client.zrange(key, 0, -1):
            await line.client.zincrby(key, -seconds * 1000, mark)
    for memory in sliding_windows.memories.values():
        for marks in memory.marks.values():
            marks.update({mark: counted - seconds for mark, counted in marks.items()})


def seconds_of(error: TooManyAttempts | None) -> int:
    assert error is not None
    return int(error.headers["Retry-After"])


@pytest.mark.parametrize(
    ("limit", "pair", "account", "address_"),
    [
        (limits.SIGN_IN, (5, QUARTER), (10, QUARTER), (15, HOUR)),
        (limits.SIGN_IN_KNOWN, (5, QUARTER), None, (60, HOUR)),
        (limits.PASSWORD, None, (10, QUARTER), None),
        (limits.REFRESH, None, (120, QUARTER), (60, HOUR)),
        (limits.CODE, (5, QUARTER), (10, QUARTER), (30, HOUR)),
        (limits.LINK, None, None, (30, HOUR)),
        (limits.RESEND, (3, QUARTER), (10, HOUR), (15, HOUR)),
        (limits.RESET, (3, QUARTER), (10, HOUR), (15, HOUR)),
        (limits.SIGN_UP, None, None, (15, HOUR)),
    ],
    ids=lambda value: value.name if isinstance(value, Limit) else "",
)
async def test_every_limit_holds(
    limit: Limit,
    pair: tuple[int, int] | None,
    account: tuple[int, int] | None,
    address_: tuple[int, int] | None,
    servers: object,
):
    if pair:
        assert await try_often(limit, pair[0] + 2, account="pair", address=HERE) == pair[0]
        assert pair[1] - SLOWNESS <= seconds_of(await attempt(limit, account="pair", address=HERE)) <= pair[1]
    if account:
        tries = [await attempt(limit, account="ada", address=address(number)) for number in range(account[0] + 2)]
        assert tries.count(None) == account[0]
        assert account[1] - SLOWNESS <= seconds_of(tries[-1]) <= account[1]
    if address_:
        tries = [await attempt(limit, account=f"user {n}", address="192.0.2.9") for n in range(address_[0] + 2)]
        assert tries.count(None) == address_[0]
        assert address_[1] - SLOWNESS <= seconds_of(tries[-1]) <= address_[1]


async def test_a_refused_attempt_is_told_when_to_come_back(servers: object):
    await try_often(limits.SIGN_UP, 15, address=HERE)
    error = await attempt(limits.SIGN_UP, address=HERE)
    assert error is not None
    assert (error.status, error.code) == (429, "too_many_attempts")
    assert error.detail == "Too many attempts. Try again in 60 minutes."


@pytest.mark.parametrize("redis", [True, False])
async def test_after_retry_after_an_attempt_is_admitted_and_not_before(
    redis: bool, servers: object, monkeypatch: pytest.MonkeyPatch
):
    if not redis:
        monkeypatch.setattr(line, "ask_again_at", float("inf"))
    await try_often(limits.SIGN_IN, 5, account="ada", address=HERE)
    await let_pass(300)
    wait = seconds_of(await attempt(limits.SIGN_IN, account="ada", address=HERE))
    assert 600 - SLOWNESS <= wait <= 600
    await let_pass(wait - 2 * SLOWNESS)
    assert SLOWNESS <= seconds_of(await attempt(limits.SIGN_IN, account="ada", address=HERE)) <= 2 * SLOWNESS
    await let_pass(2 * SLOWNESS)
    assert await attempt(limits.SIGN_IN, account="ada", address=HERE) is None


async def test_retry_after_tells_when_every_window_has_room(servers: object):
    await try_often(limits.RESET, 3, account="ada", address=HERE)
    await let_pass(600)
    crowd = [await attempt(limits.RESET, account="ada", address=address(number)) for number in range(8)]
    assert crowd.count(None) == 7
    # The pair has room in five minutes, the account in fifty.
    wait = seconds_of(await attempt(limits.RESET, account="ada", address=HERE))
    assert 2990 <= wait <= 3000
    await let_pass(wait)
    assert await attempt(limits.RESET, account="ada", address=HERE) is None


async def test_a_window_slides(servers: object):
    assert await try_often(limits.CODE, 3, account="ada", address=HERE) == 3
    await let_pass(800)
    assert await try_often(limits.CODE, 9, account="ada", address=HERE) == 2
    await let_pass(100)
    assert await try_often(limits.CODE, 9, account="ada", address=HERE) == 3


async def test_a_refused_attempt_counts_nowhere(servers: object):
    await try_often(limits.CODE, 50, account="ada", address=HERE)
    assert await try_often(limits.CODE, 50, account="ada", address=address(1)) == 5
    assert await try_often(limits.CODE, 50, account="otto", address=HERE) == 5


async def test_what_succeeded_is_given_back_where_failures_are_counted(servers: object):
    for _ in range(4):
        await limits.refund(await limits.count(FAILING, account="ada", address=HERE))
    assert seconds_of(await attempt(FAILING, account="ada", address=HERE)) > 800
    assert await try_often(FAILING, 3, account="otto", address=HERE) == 2


@pytest.mark.parametrize("redis", [True, False])
async def test_many_at_once_are_no_more_than_one_after_the_other(
    redis: bool, servers: object, monkeypatch: pytest.MonkeyPatch
):
    if not redis:
        monkeypatch.setattr(line, "ask_again_at", float("inf"))
    crowd = [attempt(limits.SIGN_IN, account="ada", address=address(number % 40)) for number in range(300)]
    results = await asyncio.gather(*crowd)
    assert results.count(None) == 10


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("203.0.113.7", "203.0.113.8", False),
        ("", "", True),
    ],
)
async def test_a_network_of_ipv6_is_one_address(one: str, other: str, are_one: bool, servers: object):
    await try_often(limits.SIGN_UP, 15, address=one)
    assert (await attempt(limits.SIGN_UP, address=other) is not None) is are_one


async def test_the_case_of_an_account_makes_no_difference(servers: object):
    await try_often(limits.RESET, 3, account="Ada@Example.com", address=HERE)
    assert await attempt(limits.RESET, account="ada@example.COM", address=HERE) is not None


async def test_redis_knows_neither_names_nor_addresses_and_forgets(servers: object):
    await limits.count(limits.CODE, account="verify:ada@example.com", address=HERE)
    keys = [key.decode() async for key in line.client.scan_iter(f"{sliding_windows.PREFIX}*")]
    assert len(keys) == 3
    for key in keys:
        marks = str(await line.client.zrange(key, 0, -1))
        assert not [word for word in ("ada@", "verify", "code", HERE) if word in key + marks]
        assert 0 < await line.client.pttl(key) <= HOUR * 1000


async def test_the_owner_is_known_where_they_signed_in(database: None):
    user_id = await make_user(Role.CUSTOMER, "ada")
    for place in (HERE, "::ffff:203.0.113.7", "2001:db8::1", "2001:db8::2", ""):
        await limits.remember_address(user_id, place)
    await limits.remember_address(user_id + 1, HERE)
    assert await fetch_value("SELECT array_agg(network ORDER BY id) FROM known_address") == [HERE, "2001:db8::/64"]


async def test_old_addresses_are_forgotten(database: None, monkeypatch: pytest.MonkeyPatch):
    user_id = await make_user(Role.CUSTOMER, "ada")
    await limits.remember_address(user_id, HERE)
    await limits.remember_address(user_id, address(1))
    await execute("UPDATE known_address SET seen_at = seen_at - interval '80 days'")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=11))
    await limits.remember_address(user_id, HERE)
    await limits.forget_old_addresses()
    assert await fetch_value("SELECT array_agg(network) FROM known_address") == [HERE]


async def test_expired_admin_sessions_are_forgotten(database: None):
    user_id = await make_user(Role.ADMIN, "ada")
    await execute(
        """INSERT INTO admin_session (token, user_id, expiry_date, max_expiry_date)
           SELECT 'days ' || days, $1, localtimestamp + days * interval '1 day', localtimestamp + interval '9 days'
           FROM unnest(ARRAY[-2, 1]) AS days""",
        user_id,
    )
    await sessions.forget_old_admin_sessions()
    assert await fetch_value("SELECT array_agg(token) FROM admin_session") == ["days 1"]


async def test_all_kinds_of_sessions_end_together(database: None):
    user_id, other = await make_user(Role.ADMIN, "ada"), await make_user(Role.ADMIN, "bob")
    for owner in (user_id, other):
        await execute("INSERT INTO admin_session (token, user_id) VALUES ($1, $2)", f"of {owner}", owner)
        await sessions.start_session(owner)
        await sessions.start_session(owner)
    await execute("UPDATE user_session SET is_cookie = true WHERE id IN (SELECT min(id::text)::uuid FROM user_session)")
    await management.change_user(user_id, UserPatch(role=Role.STAFF))
    assert await fetch_value("SELECT array_agg(token) FROM admin_session") == [f"of {other}"]
    live = """SELECT count(*) FROM user_session WHERE revoked_at IS NULL AND "user" = $1"""
    assert (await fetch_value(live, user_id), await fetch_value(live, other)) == (0, 2)


async def test_a_cookie_is_no_refresh_token(database: None):
    started = await sessions.start_session(await make_user(Role.CUSTOMER, "ada"))
    await execute("UPDATE user_session SET is_cookie = true")
    for _ in range(2):
        with pytest.raises(sessions.BadRefreshToken):
            await sessions.refresh_session(started.refresh, Device())
    assert await fetch_value("SELECT count(*) FROM user_session WHERE used_at IS NULL AND revoked_at IS NULL") == 1
