"""`Idempotency-Key`: the first answer to a POST is kept in the effect's own transaction and replayed for 24 hours.

Whoever asks twice, at once or after a lost answer, causes one effect. Nothing is kept of a failure, so it may be tried
again under the same key.
"""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec

from lib import clock
from lib.errors import BadInput, Conflict, FieldError, Unprocessable
from piccolo_conf import execute, fetch_row, fetch_value, transaction

KEPT = timedelta(hours=24)
LONGEST_KEY = 255

TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
# Relies on idempotency_record_key.
FIND = 'SELECT fingerprint, status, body FROM idempotency_record WHERE "user" = $1 AND key = $2 AND created_at > $3'
KEEP = """
    INSERT INTO idempotency_record ("user", key, fingerprint, status, body, created_at) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT ("user", key) DO UPDATE SET
        fingerprint = excluded.fingerprint, status = excluded.status, body = excluded.body,
        created_at = excluded.created_at
"""


class BadIdempotencyKey(BadInput):
    """An Idempotency-Key is 1 to 255 printable ASCII characters."""


class IdempotencyKeyInUse(Conflict):
    """The first request with this Idempotency-Key is still running; try again."""


class IdempotencyKeyReused(Unprocessable):
    """This Idempotency-Key belongs to a request with another content."""


class Answer(msgspec.Struct, frozen=True):
    """`body` is the JSON to send, byte for byte."""

    status: int
    body: bytes


def answer(status: int, content: object) -> Answer:
    return Answer(status, msgspec.json.encode(content))


def fingerprint_of(*parts: str | bytes) -> bytes:
    """Of what makes a request the same one: what is asked for, and its content."""
    digest = hashlib.sha256()
    for part in parts:
        piece = part.encode() if isinstance(part, str) else part
        digest.update(len(piece).to_bytes(8, "big") + piece)
    return digest.digest()


async def once(key: str | None, user_id: int, fingerprint: bytes, act: Callable[[], Awaitable[Answer]]) -> Answer:
    """Act, or replay the answer of the first time. Without a key simply act, in a transaction too.

    `act` refuses by raising: whatever it returns is kept. Raises BadIdempotencyKey, IdempotencyKeyInUse or
    IdempotencyKeyReused. Ring for jobs afterwards.
    """
    if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise BadIdempotencyKey(errors=[FieldError("Idempotency-Key", "expected 1 to 255 printable ASCII characters")])
    async with transaction():
        if key is None:
            return await act()
        await _lock(key, user_id)
        if (kept := await _find(key, user_id, fingerprint)) is not None:
            return kept
        done = await act()
        await execute(KEEP, user_id, key, fingerprint, done.status, done.body, clock.now())
        return done


async def forget_old_records() -> None:
    """For the schedules that clean up."""
    await execute("DELETE FROM idempotency_record WHERE created_at < $1", clock.now() - KEPT)


async def _lock(key: str, user_id: int) -> None:
    """Until the end of the transaction: the lock is released only after what was committed can be seen."""
    name = hashlib.sha256(f"idempotency:{user_id}:{key}".encode()).digest()
    if not await fetch_value(TRY_LOCK, int.from_bytes(name[:8], "big", signed=True)):
        raise IdempotencyKeyInUse


async def _find(key: str, user_id: int, fingerprint: bytes) -> Answer | None:
    """Asked after the lock is held: under READ COMMITTED only a statement that begins then sees the other's record."""
    row = await fetch_row(FIND, user_id, key, clock.now() - KEPT)
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise IdempotencyKeyReused
    return Answer(row["status"], row["body"])
