"""Endpoints: who wants to be told of what, and the secrets that prove to them that it is us.

A secret is shown once, when it is made; what is stored is sealed with a key derived from SECRET_KEY.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import asyncpg
import msgspec
from msgspec import UNSET, structs

from domains.webhooks import health, signing
from domains.webhooks.health import EndpointNotFound
from domains.webhooks.schemas import (
    MOST_COUNTED,
    URL_PATTERN,
    EndpointIn,
    EndpointMadeOut,
    EndpointOut,
    EndpointPatch,
    EventTypeOut,
    RotatedOut,
)
from domains.webhooks.signing import SECRETS, Secret
from domains.webhooks.tables import DisabledReason
from domains.webhooks.topics import EVERY, SENTENCES, EventType, is_told
from lib import cache, clock, egress, log
from lib.egress_errors import EgressError
from lib.errors import Conflict, FieldError, refuse_fields
from lib.filters import TIME_SCHEMA, Condition, Filter, choice, contains, flag, ranged, read_choice, read_time, words
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction

logger = log.get("webhooks.endpoints")

Row: TypeAlias = Mapping[str, Any] | asyncpg.Record

MOST_ENDPOINTS = 100
# Each signs along, in a header that servers limit.
MOST_SECRETS = 10
DELETED_AT_ONCE = 5_000
# The part of the dashboard that counts endpoints.
COUNTED = "webhooks"
SHAPE = re.compile(URL_PATTERN)

SOURCE = "webhook_endpoint w LEFT JOIN users u ON u.id = w.created_by"
# The newest attempts are walked by webhook_attempt_endpoint (endpoint, id). Of `endpoint = w.id` the planner may think
# that nearly all attempts are this endpoint's, and walk those of all others: a range leaves it no other order.
LAST_SUCCESS = """
    SELECT a.started_at FROM (
        SELECT endpoint, id, started_at, status_code FROM webhook_attempt
        WHERE endpoint BETWEEN w.id AND w.id AND delivery IS NOT NULL ORDER BY endpoint DESC, id DESC LIMIT 1000
    ) AS a WHERE a.status_code BETWEEN 200 AND 299 ORDER BY a.endpoint DESC, a.id DESC LIMIT 1
"""
# Rely on webhook_delivery_due and webhook_delivery_unsent, which holds what has failed too; an enabled endpoint has
# nothing that is paused.
IN_STATE = f"SELECT FROM webhook_delivery d WHERE d.endpoint = w.id AND d.state = '{{}}' LIMIT {MOST_COUNTED}"
PENDING = f"SELECT count(*) FROM ({IN_STATE.format('pending')}) AS p"
PAUSED = f"SELECT count(*) FROM ({IN_STATE.format('paused')}) AS p"
# Relies on webhook_tally_endpoint.
TALLY = "SELECT coalesce(sum(t.{0}), 0)::bigint FROM webhook_tally t WHERE t.endpoint_id = w.id"
COLUMNS = f"""
    w.id, w.url, w.description, w.event_types, w.include_bulk, w.max_per_second, w.is_enabled, w.disabled_reason,
    w.disabled_at, w.failing_since, w.secrets, w.created_at, w.updated_at, u.username AS created_by,
    ({PENDING}) AS pending, CASE WHEN w.is_enabled THEN 0 ELSE ({PAUSED}) END AS paused,
    ({TALLY.format("delivered")}) AS delivered, ({TALLY.format("failed")}) AS failed,
    ({LAST_SUCCESS}) AS last_delivery_at
"""
GET = f"SELECT {COLUMNS} FROM {SOURCE} WHERE w.id = $1"
ALL = f"SELECT {COLUMNS} FROM {SOURCE} ORDER BY w.id"

ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(5207014)"
COUNT = "SELECT count(*) FROM webhook_endpoint"
INSERT = """
    INSERT INTO webhook_endpoint (url, description, event_types, include_bulk, max_per_second, is_enabled,
        disabled_reason, disabled_at, secrets, created_by, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6,
        CASE WHEN NOT $6 THEN 'by_hand' END, CASE WHEN NOT $6 THEN $9::timestamptz END, $7, $8, $9, $9)
    RETURNING id
"""
LOCK = """
    SELECT url, description, event_types, include_bulk, max_per_second, is_enabled, secrets
    FROM webhook_endpoint WHERE id = $1 FOR NO KEY UPDATE
"""
# What went wrong at another address says nothing about this one.
UPDATE = """
    UPDATE webhook_endpoint SET url = $2, description = $3, event_types = $4, include_bulk = $5, max_per_second = $6,
        updated_at = $7,
        failing_since = CASE WHEN url = $2 THEN failing_since END,
        exhausted_at = CASE WHEN url = $2 THEN exhausted_at END,
        warned_at = CASE WHEN url = $2 THEN warned_at END
    WHERE id = $1
"""
SET_SECRETS = "UPDATE webhook_endpoint SET secrets = $2, updated_at = $3 WHERE id = $1"

# Nothing is relayed to it or claimed for it from here on.
SWITCH_OFF = """
    UPDATE webhook_endpoint SET is_enabled = false, disabled_reason = coalesce(disabled_reason, 'by_hand'),
        disabled_at = coalesce(disabled_at, $2)
    WHERE id = $1 RETURNING id
"""
# Rely on webhook_attempt_endpoint and webhook_delivery_endpoint.
DELETE_SOME = [
    f"""DELETE FROM {table} WHERE id = ANY(ARRAY(
        SELECT id FROM {table} WHERE endpoint = $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))"""
    for table in ("webhook_attempt", "webhook_delivery")
]
DELETE = "DELETE FROM webhook_endpoint WHERE id = $1"


def _told_of(values: Sequence[str]) -> list[Condition]:
    topic = read_choice(EventType)(values[0])
    return [Condition(is_told("w", "{0}"), (topic,))]


LIST = Listing(
    filters={
        "is_enabled": flag("w.is_enabled", "NOT w.is_enabled"),
        "disabled_reason": choice("w.disabled_reason", DisabledReason),
        "is_failing": flag("w.failing_since IS NOT NULL", "w.failing_since IS NULL"),
        "include_bulk": flag("w.include_bulk", "NOT w.include_bulk"),
        "url__icontains": contains("w.url"),
        "event_type": Filter(_told_of, {"type": "string", "enum": list(EventType)}, "Those that are told of it."),
        "search": words("(w.url || ' ' || w.description)", "Words in URL or description."),
        **ranged("w.created_at", "created_at", read_time, TIME_SCHEMA),
    },
    sorts={
        "id": Sort("w.id", "{0}::int", int, is_unique=True),
        "url": Sort("lower(w.url)", "lower({0}::text)", str),
        "created_at": Sort("w.created_at", "{0}::timestamptz", datetime),
    },
    first="id",
)


class TooManyEndpoints(Conflict):
    """There are 100 webhook endpoints already; delete one first."""


class TooManySecrets(Conflict):
    """Ten secrets sign for this endpoint already: wait until the first of them has run out."""


async def create_endpoint(wanted: EndpointIn, *, by: int | None) -> EndpointMadeOut:
    """The one answer with the secret. Raises BadInput that names what is wrong, and TooManyEndpoints."""
    refuse_fields(_wrong_fields(wanted))
    secret, now = signing.new_secret(), clock.now()
    async with transaction():
        await execute(ONE_AT_A_TIME)
        if await fetch_value(COUNT) >= MOST_ENDPOINTS:
            raise TooManyEndpoints
        secrets = _stored([signing.seal(secret)])
        endpoint_id = await fetch_value(INSERT, *_columns(wanted), wanted.is_enabled, secrets, by, now)
        made = await get_endpoint(endpoint_id)
    await cache.forget(COUNTED)
    logger.info("webhook_endpoint_created", endpoint_id=endpoint_id)
    return EndpointMadeOut(**structs.asdict(made), secret=secret)


async def get_endpoint(endpoint_id: int) -> EndpointOut:
    row = await fetch_row(GET, endpoint_id)
    if row is None:
        raise EndpointNotFound
    return _shape(row)


async def list_endpoints(query: Query) -> tuple[list[EndpointOut], Total, str | None]:
    """A page, how many there are, and the cursor behind the last row."""
    found = await find_page(fetch, query, COLUMNS, SOURCE)
    return [_shape(row) for row in found.rows], found.total, found.cursor


async def all_endpoints() -> list[EndpointOut]:
    """A hundred at most, the oldest first."""
    return [_shape(row) for row in await fetch(ALL)]


async def replace_endpoint(endpoint_id: int, wanted: EndpointIn) -> EndpointOut:
    """What is left out takes its default; the secrets stay. Raises as `change_endpoint`."""
    return await change_endpoint(endpoint_id, EndpointPatch(**structs.asdict(wanted)))


async def change_endpoint(endpoint_id: int, patch: EndpointPatch) -> EndpointOut:
    """Raises EndpointNotFound, and BadInput that names what is wrong. Ring `deliver_due` after enabling."""
    refuse_fields(_wrong_fields(patch))
    given = {name: value for name, value in structs.asdict(patch).items() if value is not UNSET}
    async with transaction():
        before = await _lock(endpoint_id)
        wished = EndpointIn(**{name: before[name] for name in EndpointIn.__struct_fields__} | given)
        await execute(UPDATE, endpoint_id, *_columns(wished), clock.now())
        if wished.is_enabled and not before["is_enabled"]:
            await health.enable(endpoint_id)
        elif before["is_enabled"] and not wished.is_enabled:
            await health.disable(endpoint_id, DisabledReason.BY_HAND)
        changed = await get_endpoint(endpoint_id)
    await cache.forget(COUNTED)
    logger.info("webhook_endpoint_changed", endpoint_id=endpoint_id, fields=sorted(given))
    return changed


async def delete_endpoint(endpoint_id: int) -> None:
    """With its deliveries and their log, which may be millions of rows: some at a time. Killed in the middle it is
    left disabled, and may be deleted again. Raises EndpointNotFound."""
    if await fetch_value(SWITCH_OFF, endpoint_id, clock.now()) is None:
        raise EndpointNotFound
    for statement in DELETE_SOME:
        while await execute(statement, endpoint_id, DELETED_AT_ONCE) == f"DELETE {DELETED_AT_ONCE}":
            continue
    # And what a worker held just now.
    await execute(DELETE, endpoint_id)
    await cache.forget(COUNTED)
    logger.info("webhook_endpoint_deleted", endpoint_id=endpoint_id)


async def rotate_secret(endpoint_id: int) -> RotatedOut:
    """The one answer with the new secret. Raises EndpointNotFound and TooManySecrets."""
    secret, now = signing.new_secret(), clock.now()
    async with transaction():
        stored = SECRETS.decode((await _lock(endpoint_id))["secrets"])
        rotated = signing.rotate(stored, secret, now)
        if len(rotated) > MOST_SECRETS:
            raise TooManySecrets
        await execute(SET_SECRETS, endpoint_id, _stored(rotated), now)
    logger.info("webhook_secret_rotated", endpoint_id=endpoint_id)
    return RotatedOut(secret=secret, previous_expires_at=now + signing.OVERLAP)


def list_event_types() -> list[EventTypeOut]:
    return [EventTypeOut(event_type, SENTENCES[event_type]) for event_type in EventType]


async def _lock(endpoint_id: int) -> asyncpg.Record:
    row = await fetch_row(LOCK, endpoint_id)
    if row is None:
        raise EndpointNotFound
    return row


def _wrong_fields(data: EndpointIn | EndpointPatch) -> Iterator[FieldError]:
    if isinstance(data.url, str) and (wrong := _why_not(data.url)):
        yield FieldError("url", wrong)
    if isinstance(data.event_types, list):
        yield from _wrong_types(data.event_types)


def _why_not(url: str) -> str:
    """What is wrong with a URL, as far as can be seen without resolving its name; "" when nothing is."""
    try:
        egress.check(url)
    except EgressError as error:
        return str(error)
    if SHAPE.fullmatch(url):
        return ""
    return "must begin with https:// in small letters, and hold neither blanks nor a user and password"


def _wrong_types(event_types: Sequence[str]) -> Iterator[FieldError]:
    if EVERY in event_types and len(event_types) > 1:
        yield FieldError("event_types", f'"{EVERY}" means all of them and stands alone')
    elif len(set(event_types)) < len(event_types):
        yield FieldError("event_types", "must not name one twice")
    for number, event_type in enumerate(event_types):
        if event_type not in {*EventType, EVERY}:
            yield FieldError(f"event_types[{number}]", f"must be one of {', '.join([*EventType, EVERY])}")


def _columns(data: EndpointIn) -> tuple[object, ...]:
    """What people write, in the order of the statements."""
    return data.url, data.description, data.event_types, data.include_bulk, data.max_per_second


def _stored(secrets: Sequence[Secret]) -> str:
    return msgspec.json.encode(secrets).decode()


def _shape(row: Row) -> EndpointOut:
    live = [secret for secret in SECRETS.decode(row["secrets"]) if signing.is_live(secret, clock.now())]
    told = {name: value for name, value in row.items() if name != "secrets"}
    ends = [secret.expires_at for secret in live if secret.expires_at is not None]
    return msgspec.convert({**told, "live_secrets": len(live), "secret_expires_at": ends}, EndpointOut)
