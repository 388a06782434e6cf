"""Sessions of the admin site: short, each a row that holds the digest of what its browser has in a cookie.

Piccolo's own would store the tokens themselves. Times are in UTC; its columns are without a zone.
"""

import hashlib
from datetime import datetime, timedelta

import msgspec

from domains.accounts.cookies import PREFIX, SUFFIX
from domains.accounts.sessions import Proven
from lib import clock, log
from lib.errors import NotAllowed
from lib.signing import TOKEN_CHARACTERS, digest_of, new_token
from piccolo_conf import execute, fetch_row

logger = log.get("admin.sessions")

COOKIE = f"{PREFIX}stockroom_admin{SUFFIX}"
IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=8)
# Prolonged at most once a minute, so that reading is not writing.
STEP = timedelta(minutes=1)

# The hash is compared again under the row's lock: the password may have been changed since it was proven.
START = """
    WITH owner AS (
        UPDATE users SET last_login_at = $5
        WHERE id = $1 AND admin AND active AND sha256(convert_to(password, 'UTF8')) = $2
        RETURNING id
    )
    INSERT INTO admin_session (token, user_id, expiry_date, max_expiry_date) SELECT $3, id, $4, $6 FROM owner
    RETURNING id
"""

# Role and activity are asked of the user each time. Relies on admin_session_token_key.
FIND = """
    SELECT users.id AS user_id, username, email, expiry_date, max_expiry_date
    FROM admin_session JOIN users ON users.id = admin_session.user_id
    WHERE token = $1 AND expiry_date > $2 AND max_expiry_date > $2 AND users.admin AND users.active
"""

PROLONG = "UPDATE admin_session SET expiry_date = $2 WHERE token = $1"


class NoAdmin(NotAllowed):
    """This account may not use the admin site."""


class Person(msgspec.Struct, frozen=True):
    """Who uses the site: `request.user`, with what Piccolo reads of one."""

    user_id: int
    username: str
    email: str
    is_authenticated: bool = True

    @property
    def display_name(self) -> str:
        return self.username


async def start(proven: Proven) -> str:
    """The token of a new session; raises NoAdmin when they may not sign in here (any more)."""
    return await start_for(proven.user_id, fingerprint(proven.stored))


async def start_for(user_id: int, password: bytes) -> str:
    """With the fingerprint of the stored hash that their password matched."""
    token, now = new_token(), clock.now()
    values = user_id, password, _stored(token), _naive(now + IDLE), now, _naive(now + LONGEST)
    if await fetch_row(START, *values) is None:
        raise NoAdmin
    logger.info("signed_in", user_id=user_id, kind="admin")
    return token


def fingerprint(stored: str) -> bytes:
    return hashlib.sha256(stored.encode()).digest()


async def find(token: str) -> Person | None:
    """None when there is no such session (any more), or its user may not use the site (any more)."""
    if not TOKEN_CHARACTERS.fullmatch(token):
        return None
    now = _naive(clock.now())
    if (row := await fetch_row(FIND, _stored(token), now)) is None:
        return None
    until = min(now + IDLE, row["max_expiry_date"])
    if until - row["expiry_date"] >= STEP:
        await execute(PROLONG, _stored(token), until)
    return Person(row["user_id"], row["username"], row["email"])


async def end(token: str) -> None:
    await execute("DELETE FROM admin_session WHERE token = $1", _stored(token))


async def end_others(user_id: int, token: str) -> None:
    """Those that began before a code was asked for may be somebody else's."""
    await execute("DELETE FROM admin_session WHERE user_id = $1 AND token <> $2", user_id, _stored(token))


def _stored(token: str) -> str:
    return digest_of(token).hex()


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
