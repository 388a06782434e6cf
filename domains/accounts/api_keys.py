"""API keys: a machine's way in, in the name of its owner and with some of the owner's scopes.

The secret is shown once and kept as its digest. A process asks PostgreSQL about a key once a second at most, so a
revoked one is dead within a second everywhere, and at once where it was revoked.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from domains.accounts import revocations
from domains.accounts.schemas import ApiKeyIn, ApiKeyMadeOut, ApiKeyOut, Caller
from domains.accounts.scopes import Scope, scopes_of
from domains.accounts.tables import Role
from domains.accounts.tokens import BadToken
from domains.accounts.users import is_id
from lib import clock, log
from lib.errors import Conflict, FieldError, NotFound, NotSignedIn, field_error, refuse_fields
from lib.signing import digest_of, new_token
from piccolo_conf import execute, fetch, fetch_row, fetch_value, transaction

logger = log.get("accounts.api_keys")

PREFIX = "sk_"
SHAPE = re.compile(r"sk_[A-Za-z0-9_-]{43}")
SHOWN_CHARACTERS = 9
MOST_LIVE = 50
MOST_KNOWN = 10_000
SECONDS_REMEMBERED = 0.9
TIME_BETWEEN_NOTES = timedelta(minutes=1)

# Relies on api_key_digest_key.
FIND = """
    SELECT api_key.id, owner, username, role, scopes, expires_at, last_used_at
    FROM api_key JOIN users ON users.id = owner
    WHERE digest = $1 AND revoked_at IS NULL AND active
"""

LOCK_OWNER = "SELECT role FROM users WHERE id = $1 AND active FOR NO KEY UPDATE"
# The next four rely on api_key_owner.
COUNT_LIVE = """
    SELECT count(*) FROM api_key
    WHERE owner = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
"""
COLUMNS = "id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at"
LIST = f"SELECT {COLUMNS} FROM api_key WHERE owner = $1 ORDER BY id DESC LIMIT $2 OFFSET $3"
COUNT = "SELECT count(*) FROM api_key WHERE owner = $1"

REVOKE_ALL = "UPDATE api_key SET revoked_at = $2 WHERE owner = $1 AND revoked_at IS NULL"

INSERT = f"""
    INSERT INTO api_key (owner, name, prefix, digest, scopes, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    RETURNING {COLUMNS}
"""
REVOKE = """
    UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE id = $2 AND owner = $1 RETURNING id
"""
NOTE_USE = "UPDATE api_key SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)"


class ApiKeyNotFound(NotFound):
    """There is no such API key."""


class TooManyApiKeys(Conflict):
    """There are 50 API keys in use already; revoke one first."""


class Known(msgspec.Struct, frozen=True):
    """What PostgreSQL said of a digest at `asked_at`; no caller: no such key, or none that counts."""

    caller: Caller | None
    expires_at: datetime | None
    asked_at: float


async def create_key(owner: int, wanted: ApiKeyIn, *, session_id: str | None = None) -> ApiKeyMadeOut:
    """The one answer with the secret. Raises BadInput that names a scope the owner lacks, and TooManyApiKeys.

    `session_id` is the session that asks. A process may not have heard yet that it has ended, and a key would outlive
    it: raises NotSignedIn then.
    """
    now, secret = clock.now(), PREFIX + new_token()
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise field_error("expires_at", "must be in the future")
    async with transaction():
        role = await fetch_value(LOCK_OWNER, owner)
        if role is None or (session_id is not None and not await revocations.is_live(session_id)):
            raise NotSignedIn
        _refuse_foreign_scopes(wanted.scopes, scopes_of(Role(role)))
        if await fetch_value(COUNT_LIVE, owner, now) >= MOST_LIVE:
            raise TooManyApiKeys
        scopes = sorted(set(wanted.scopes))
        values = owner, wanted.name, secret[:SHOWN_CHARACTERS], digest_of(secret), scopes, now, wanted.expires_at
        row = await fetch_row(INSERT, *values)
    made = _shape(row)
    logger.info("api_key_created", user_id=owner, api_key_id=made.id)
    return ApiKeyMadeOut(**msgspec.structs.asdict(made), secret=secret)


def _refuse_foreign_scopes(wanted: Sequence[Scope], held: frozenset[Scope]) -> None:
    foreign = sorted(set(wanted) - (held - {Scope.ACCOUNT_OWN}))
    refuse_fields(FieldError("scopes", f"{scope} is not yours to give to a key") for scope in foreign)


async def list_keys(owner: int, *, limit: int, offset: int = 0) -> list[ApiKeyOut]:
    """Newest first, those that have ended too."""
    return [_shape(row) for row in await fetch(LIST, owner, limit, offset)]


async def count_keys(owner: int) -> int:
    return int(await fetch_value(COUNT, owner))


async def revoke_key(owner: int, key_id: int) -> None:
    """Again does no harm. Raises ApiKeyNotFound for a key of somebody else."""
    if not is_id(key_id) or await fetch_value(REVOKE, owner, key_id, clock.now()) is None:
        raise ApiKeyNotFound
    memory.forget(key_id)
    logger.info("api_key_revoked", user_id=owner, api_key_id=key_id)


async def revoke_keys(owner: int) -> None:
    """All of them, for inside a transaction that has locked the owner. A second later none works in any process."""
    await execute(REVOKE_ALL, owner, clock.now())


async def recognise(secret: str) -> Caller:
    """Whose key this is and what it may do now; raises BadToken."""
    if not SHAPE.fullmatch(secret):
        raise BadToken
    digest = digest_of(secret)
    known = memory.get(digest) or await _look_up(digest)
    if known.caller is None or (known.expires_at is not None and known.expires_at <= clock.now()):
        raise BadToken
    return known.caller


class Memory:
    """What this process was told less than a second ago, of unknown keys too; the oldest goes first."""

    def __init__(self) -> None:
        self.known: dict[bytes, Known] = {}
        self.times_forgotten = 0

    def get(self, digest: bytes) -> Known | None:
        found = self.known.get(digest)
        return found if found and time.monotonic() - found.asked_at <= SECONDS_REMEMBERED else None

    def keep(self, digest: bytes, known: Known) -> None:
        self.known.pop(digest, None)
        while len(self.known) >= MOST_KNOWN:
            del self.known[next(iter(self.known))]
        self.known[digest] = known

    def forget(self, key_id: int) -> None:
        self.times_forgotten += 1
        gone = [digest for digest, known in self.known.items() if known.caller and known.caller.api_key_id == key_id]
        for digest in gone:
            del self.known[digest]


memory = Memory()


async def _look_up(digest: bytes) -> Known:
    asked_at, times_forgotten = time.monotonic(), memory.times_forgotten
    row = await fetch_row(FIND, digest)
    known = Known(_caller(row) if row else None, row["expires_at"] if row else None, asked_at)
    # An answer that was on its way while a key was revoked may be older than the revocation.
    if times_forgotten == memory.times_forgotten:
        memory.keep(digest, known)
    if row is not None:
        _note_use(row["id"], row["last_used_at"])
    return known


def _caller(row: asyncpg.Record) -> Caller:
    """Scopes that have been renamed or taken away since are not held."""
    role = Role(row["role"])
    scopes = frozenset(scope for scope in scopes_of(role) if scope in row["scopes"]) - {Scope.ACCOUNT_OWN}
    return Caller(row["owner"], row["username"], role, scopes, session_id=None, api_key_id=row["id"])


_notes: set["asyncio.Task[None]"] = set()


def _note_use(key_id: int, last_used_at: datetime | None) -> None:
    """Beside the request, which neither waits for it nor fails with it."""
    if last_used_at is None or last_used_at < clock.now() - TIME_BETWEEN_NOTES:
        note = asyncio.create_task(_write_note(key_id))
        _notes.add(note)
        note.add_done_callback(_notes.discard)


async def _write_note(key_id: int) -> None:
    now = clock.now()
    try:
        await execute(NOTE_USE, key_id, now, now - TIME_BETWEEN_NOTES)
    except Exception as error:  # Whatever it is, the next use tries again.
        logger.warning("use_of_api_key_not_noted", api_key_id=key_id, error=type(error).__name__)


def _shape(row: asyncpg.Record | None) -> ApiKeyOut:
    return msgspec.convert(dict(row or {}), ApiKeyOut)
