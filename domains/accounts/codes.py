"""One-time codes: a link, and six characters that may be typed, mailed together; either works once, for one purpose.

The link's token cannot be guessed, so only its digest is stored. The code could be guessed: it is stored as an HMAC
bound to user and purpose, lives ten minutes, and takes five tries. Locks are taken in one order: the user's row, then
their codes, then their sessions.
"""

import hmac
import secrets
from datetime import timedelta
from urllib.parse import urlencode

import msgspec

from domains.accounts import letters, rules
from domains.accounts.schemas import Profile
from domains.accounts.tables import Purpose
from domains.accounts.users import COLUMNS, is_id, shape
from domains.mail.services import Template
from lib import clock
from lib.errors import BadInput
from lib.signing import TOKEN_CHARACTERS, derive_key, digest_of, new_token
from piccolo_conf import execute, fetch_row

# Without 0 and O, 1, I and L, which look alike.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 6
MOST_ATTEMPTS = 5
CODE_MINUTES = 10
KEY = derive_key("one-time code")
LONGEST_UID = 10
KEPT_AFTER_EXPIRY = timedelta(days=1)

# By one_time_code_unused: the new code takes the place of the one before, so that never two are good.
ISSUE = """
    INSERT INTO one_time_code ("user", purpose, email, link_digest, code_digest, attempts, created_at, code_expires_at,
                               expires_at)
    VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8)
    ON CONFLICT ("user", purpose) WHERE used_at IS NULL DO UPDATE SET
        email = EXCLUDED.email, link_digest = EXCLUDED.link_digest, code_digest = EXCLUDED.code_digest, attempts = 0,
        created_at = EXCLUDED.created_at, code_expires_at = EXCLUDED.code_expires_at, expires_at = EXCLUDED.expires_at
"""
LOCK_BY_ID = f"SELECT {COLUMNS} FROM users WHERE id = $1 AND active FOR NO KEY UPDATE"
LOCK_BY_EMAIL = f"SELECT {COLUMNS} FROM users WHERE lower(email) = lower($1) AND active FOR NO KEY UPDATE"

# What was mailed to an address that the user no longer has proves nothing about the one they have now.
STILL_THEIRS = "(purpose = 'change_email' OR email = $4)"
# Both by one_time_code_unused. A wrong code is counted and a right one used up in the same statement.
USE_LINK = f"""
    UPDATE one_time_code SET used_at = $5
    WHERE "user" = $1 AND purpose = $2 AND used_at IS NULL AND link_digest = $3 AND expires_at > $5 AND {STILL_THEIRS}
    RETURNING email, true AS is_right
"""
USE_CODE = f"""
    UPDATE one_time_code
    SET attempts = attempts + 1, used_at = CASE WHEN code_digest = $3 AND {STILL_THEIRS} THEN $5::timestamptz END
    WHERE "user" = $1 AND purpose = $2 AND used_at IS NULL AND code_expires_at > $5 AND attempts < {MOST_ATTEMPTS}
    RETURNING email, used_at IS NOT NULL AS is_right
"""


class BadCode(BadInput):
    """This code or link is wrong, was used before or has expired. Ask for a new one."""


class Kind(msgspec.Struct, frozen=True):
    """What a purpose looks like in the mail."""

    template: Template
    path: str
    link_hours: int


KINDS = {
    Purpose.VERIFY_EMAIL: Kind(Template.VERIFY_EMAIL, "/accounts/verify/", 24),
    Purpose.RESET_PASSWORD: Kind(Template.RESET_PASSWORD, "/accounts/reset/confirm/", 1),
    Purpose.CHANGE_EMAIL: Kind(Template.CHANGE_EMAIL, "/accounts/email/", 24),
}


class Proven(msgspec.Struct, frozen=True):
    """Who has shown that they read the mail sent to `email`. Their row is locked."""

    profile: Profile
    email: str


async def send(profile: Profile, purpose: Purpose, *, to: str = "") -> None:
    """Write the mail with a new link and code; those before it end. For inside a transaction that locked the user."""
    kind, token, code, now = KINDS[purpose], new_token(), _new_code(), clock.now()
    email = to or profile.email
    digests = digest_of(token), _digest(code, profile.id, purpose)
    code_expires, link_expires = now + timedelta(minutes=CODE_MINUTES), now + timedelta(hours=kind.link_hours)
    await execute(ISSUE, profile.id, purpose, email, *digests, now, code_expires, link_expires)
    address = letters.link(f"{kind.path}?{urlencode({'uid': profile.id, 'token': token})}")
    times = {"code_minutes": str(CODE_MINUTES), "link_hours": str(kind.link_hours)}
    await letters.write(profile, kind.template, to=email, code=code, link=address, **times)


async def use_link(uid: str, token: str, purpose: Purpose) -> Proven | None:
    """None for whatever does not work, so that the caller's transaction can end well. Locks the user."""
    if not (uid.isascii() and uid.isdigit() and len(uid) <= LONGEST_UID and is_id(int(uid))):
        return None
    if not TOKEN_CHARACTERS.fullmatch(token) or (row := await fetch_row(LOCK_BY_ID, int(uid))) is None:
        return None
    return await _use(USE_LINK, shape(row), purpose, digest_of(token))


async def use_code(email: str, code: str, purpose: Purpose) -> Proven | None:
    """The same by the address that the code was mailed to."""
    profile = await lock_by_email(email)
    return None if profile is None else await _use_typed(profile, code, purpose)


async def use_own_code(user_id: int, code: str, purpose: Purpose) -> Proven | None:
    """The same for somebody who is signed in."""
    row = await fetch_row(LOCK_BY_ID, user_id)
    return None if row is None else await _use_typed(shape(row), code, purpose)


async def lock_by_email(email: str) -> Profile | None:
    """An active user whose row is locked from here on; None when nobody active has the address."""
    name = email.strip()
    row = await fetch_row(LOCK_BY_EMAIL, name) if rules.may_be_a_name(name) else None
    return None if row is None else shape(row)


async def end(user_id: int) -> None:
    """Whatever was mailed to this user works no more: after a change of password or address."""
    await execute('UPDATE one_time_code SET used_at = $2 WHERE "user" = $1 AND used_at IS NULL', user_id, clock.now())


async def forget_old_codes() -> None:
    """For the schedules that clean up."""
    await execute("DELETE FROM one_time_code WHERE expires_at < $1", clock.now() - KEPT_AFTER_EXPIRY)


async def _use_typed(profile: Profile, code: str, purpose: Purpose) -> Proven | None:
    """People type small letters, and spaces between the groups that they see."""
    typed = "".join(code.split()).replace("-", "").upper()
    return await _use(USE_CODE, profile, purpose, _digest(typed, profile.id, purpose))


async def _use(statement: str, profile: Profile, purpose: Purpose, digest: bytes) -> Proven | None:
    row = await fetch_row(statement, profile.id, purpose, digest, profile.email, clock.now())
    return Proven(profile, row["email"]) if row is not None and row["is_right"] else None


def _new_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def _digest(code: str, user_id: int, purpose: Purpose) -> bytes:
    return hmac.digest(KEY, f"{purpose}:{user_id}:{code}".encode("utf-8", "replace"), "sha256")
