"""Sessions of browsers: a row of user_session whose token travels in a cookie, looked up for each request.

Locks are taken as in sessions.py, the user's row first, and whatever ends a user's sessions ends these too.
"""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from domains.accounts import sessions
from domains.accounts.schemas import Caller, Device
from domains.accounts.scopes import scopes_of
from domains.accounts.sessions import LIFETIME, Proven
from domains.accounts.tables import Role
from lib import clock
from lib.signing import TOKEN_CHARACTERS, digest_of, new_token
from piccolo_conf import execute, fetch_row
from settings import settings

TIME_BETWEEN_EXTENSIONS = timedelta(days=1)
LIFETIME_SECONDS = int(LIFETIME.total_seconds())

# The prefix makes browsers refuse a cookie that a neighbouring host or plain HTTP sets in our name. In development
# there is no HTTPS, and several servers share the host's name.
PREFIX = "" if settings.debug else "__Host-"
SUFFIX = f"_{settings.port}" if settings.debug else ""
SESSION = f"{PREFIX}stockroom{SUFFIX}"

# Relies on user_session_refresh_digest_key.
FIND = """
    SELECT users.id, username, role, family::text, expires_at
    FROM user_session JOIN users ON users.id = user_session."user"
    WHERE refresh_digest = $1 AND is_cookie AND revoked_at IS NULL AND expires_at > $2 AND active
"""

EXTEND = "UPDATE user_session SET expires_at = $2 WHERE refresh_digest = $1 AND is_cookie AND revoked_at IS NULL"


class Found(msgspec.Struct, frozen=True):
    """Whose session a cookie is; `is_extended`: the browser should keep its cookie longer too."""

    caller: Caller
    is_extended: bool


async def start(proven: Proven, device: Device) -> str:
    """The token for the cookie of a new session; raises WrongCredentials when they may not sign in (any more)."""
    token = new_token()
    await sessions.begin(proven.user_id, device, token, proven=proven.stored, is_cookie=True)
    return token


async def find(token: str) -> Found | None:
    """None for a token that is unknown or expired, or whose session has ended."""
    if not TOKEN_CHARACTERS.fullmatch(token):
        return None
    digest, now = digest_of(token), clock.now()
    if (row := await fetch_row(FIND, digest, now)) is None:
        return None
    is_extended = await _extend(digest, row["expires_at"], now)
    return Found(_caller(row), is_extended)


async def _extend(digest: bytes, expires_at: datetime, now: datetime) -> bool:
    if now + LIFETIME - expires_at <= TIME_BETWEEN_EXTENSIONS:
        return False
    await execute(EXTEND, digest, now + LIFETIME)
    return True


def _caller(row: asyncpg.Record) -> Caller:
    role = Role(row["role"])
    return Caller(row["id"], row["username"], role, scopes_of(role), row["family"])


def read_cookie(connection: ASGIConnection[Any, Any, Any, Any], name: str) -> str:
    """Empty without that cookie."""
    # Litestar's own parser remembers the last 1,024 headers: tokens among them, and however much a stranger sends.
    for header in connection.headers.getall("cookie", []):
        for pair in header.split(";"):
            found, _, value = pair.strip().partition("=")
            if found == name:
                return value
    return ""


def session_cookie(token: str) -> Cookie:
    return make_cookie(SESSION, token, LIFETIME_SECONDS)


def make_cookie(name: str, value: str, seconds: int | None = None) -> Cookie:
    """Of ours alone: no script reads it, no other site's form sends it. Without `seconds` it ends with the browser."""
    return Cookie(
        name, value=value, max_age=seconds, path="/", httponly=True, secure=not settings.debug, samesite="lax"
    )


def no_cookie(name: str) -> Cookie:
    """Makes the browser forget it."""
    return make_cookie(name, "", 0)
