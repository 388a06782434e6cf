"""Sessions: signing in, exchanging refresh tokens, signing out.

A refresh token works once. The family of tokens that began with one sign-in is the session, and its id travels in the
access token as `sid`. Locks are taken in one order: the user's row, then rows of user_session; whoever ends sessions
holds the user's row, so that no refresh or sign-in under way can slip a new token past it.
"""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import msgspec

from domains.accounts import limits, passwords, revocations, rules, tokens
from domains.accounts.schemas import Caller, Device, TokensOut
from domains.accounts.tables import Role
from lib import clock, log
from lib.errors import NotAllowed, NotFound, NotSignedIn
from lib.signing import digest_of, new_token
from piccolo_conf import execute, fetch, fetch_row, transaction

logger = log.get("accounts.sessions")

LIFETIME = timedelta(days=14)

# Relies on users_email_lower_key, users_username_lower_key and known_address_user_network_key.
FIND_BY_NAME = """
    SELECT id, password, active, email_verified_at, EXISTS (
        SELECT FROM known_address WHERE "user" = users.id AND network = $2 AND seen_at > $3
    ) AS is_known_here
    FROM users WHERE lower(email) = lower($1) OR lower(username) = lower($1)
"""

# The password is compared again under the row's lock: it may have been changed while its hash was computed.
START = """
    WITH owner AS (
        UPDATE users SET last_login_at = $3
        WHERE id = $1 AND active AND ($2::text IS NULL OR password = $2)
        RETURNING id, username, role
    ), begun AS (
        INSERT INTO user_session (id, "user", family, refresh_digest, issued_at, expires_at, user_agent, ip, is_cookie)
        SELECT $4, id, $4, $5, $3, $6, $7, $8, $9 FROM owner
        RETURNING family
    )
    SELECT owner.id, username, role, family FROM owner, begun
"""

EXCHANGE = """
    WITH owner AS (
        SELECT users.id, username, role FROM users JOIN user_session ON user_session."user" = users.id
        WHERE refresh_digest = $1 AND NOT is_cookie AND active
        FOR SHARE OF users
    ), used AS (
        UPDATE user_session SET used_at = $2 FROM owner
        WHERE refresh_digest = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > $2
        RETURNING family, user_agent, ip
    ), next AS (
        INSERT INTO user_session (id, "user", family, refresh_digest, issued_at, expires_at, user_agent, ip)
        SELECT $3, owner.id, family, $4, $2, $5, user_agent, ip FROM used, owner
        RETURNING family
    )
    SELECT owner.id, username, role, family FROM owner, next
"""

# A cookie is no refresh token, although both stand in this table: whoever has it may not exchange it.
FIND_SESSION = """
    SELECT "user", family::text, used_at, revoked_at FROM user_session WHERE refresh_digest = $1 AND NOT is_cookie
"""
LOCK_USER = "SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE"
END_FAMILY = "UPDATE user_session SET revoked_at = $2 WHERE family = $1 AND revoked_at IS NULL"
END_ALL = """
    UPDATE user_session SET revoked_at = $2 WHERE "user" = $1 AND revoked_at IS NULL RETURNING family::text
"""
# Relies on admin_session_user.
END_ADMIN_SESSIONS = "DELETE FROM admin_session WHERE user_id = $1"
# Their times are without a zone, in that of the process: a day more forgets none too early.
FORGET_ADMIN_SESSIONS = """
    DELETE FROM admin_session WHERE least(expiry_date, max_expiry_date) < now()::timestamp - interval '1 day'
"""


class WrongCredentials(NotSignedIn):
    """The e-mail or username and the password do not belong together."""


class BadRefreshToken(NotSignedIn):
    """The refresh token is not valid, was used before or has expired. Sign in again."""


class EmailNotVerified(NotAllowed):
    """Confirm your e-mail address first: open the link in the mail that was sent to it, or ask for another one."""


class Proven(msgspec.Struct, frozen=True):
    """Whose password it was, and the hash that it matched."""

    user_id: int
    stored: str


async def sign_in(identifier: str, password: str, device: Device) -> TokensOut:
    """Start a session; raises what `check_credentials` raises."""
    proven = await check_credentials(identifier, password, device)
    return await start_session(proven.user_id, device, proven=proven.stored)


async def check_credentials(identifier: str, password: str, device: Device) -> Proven:
    """Who signs in, whatever the kind of session they want.

    Raises TooManyAttempts and WrongCredentials, alike in every way for unknown, inactive and mistaken, or
    EmailNotVerified, which only the one who knows the password gets to see.
    """
    # PostgreSQL takes no NUL in text, and nobody is called that.
    name = identifier.replace("\0", "\ufffd").strip()
    found = await _find_by_name(name, device.ip) if rules.may_be_a_name(name) else None
    stored: str | None = found["password"] if found else None
    # A name that nobody has is limited as one that somebody has.
    account = f"user {found['id']}" if found else f"name {name}"
    async with limits.turn(account, device.ip):
        limit = limits.SIGN_IN_KNOWN if found and found["is_known_here"] else limits.SIGN_IN
        counted = await limits.count(limit, account=account, address=device.ip)
        if not await passwords.is_password(password, stored) or not found or not stored or not found["active"]:
            raise WrongCredentials
        await limits.refund(counted)
    if found["email_verified_at"] is None:
        raise EmailNotVerified
    await limits.remember_address(found["id"], device.ip)
    if passwords.is_outdated(stored):
        stored = await _renew_hash(found["id"], stored, password)
    return Proven(found["id"], stored)


async def start_session(user_id: int, device: Device | None = None, *, proven: str | None = None) -> TokensOut:
    """For somebody who has shown who they are, where `proven` is the hash their password matched.

    Raises WrongCredentials when they may not sign in (any more).
    """
    refresh = new_token()
    owner = await begin(user_id, device or Device(), refresh, proven=proven, is_cookie=False)
    return _tokens_for(owner, refresh)


async def begin(user_id: int, device: Device, token: str, *, proven: str | None, is_cookie: bool) -> asyncpg.Record:
    """A session whose refresh token or cookie is `token`; raises WrongCredentials as `start_session` does."""
    now, family = clock.now(), uuid4()
    agent, ip = device.user_agent.replace("\0", "")[:400], device.ip[:45]
    values = user_id, proven, now, family, digest_of(token), now + LIFETIME, agent, ip, is_cookie
    if (owner := await fetch_row(START, *values)) is None:
        raise WrongCredentials
    logger.info("signed_in", user_id=user_id, session_id=str(family), is_cookie=is_cookie)
    return owner


async def refresh_session(token: str, device: Device) -> TokensOut:
    """Exchange a refresh token for new tokens, once. Using it again ends its session: one of the two users stole it.

    Raises BadRefreshToken or TooManyAttempts, which leaves the token as it was.
    """
    digest, refresh, now = digest_of(token), new_token(), clock.now()
    found = await fetch_row(FIND_SESSION, digest)
    who = {"account": found["family"]} if found else {"address": device.ip}
    await limits.count(limits.REFRESH, **who)
    owner = await fetch_row(EXCHANGE, digest, now, uuid4(), digest_of(refresh), now + LIFETIME)
    if owner is None:
        await _end_if_reused(digest)
        raise BadRefreshToken
    return _tokens_for(owner, refresh)


async def sign_out(caller: Caller, refresh: str | None, *, everywhere: bool) -> None:
    """End the caller's session, and that of a refresh token; with `everywhere` every session of the user.

    Either is enough to know who asks; raises NotSignedIn when there is neither. The refresh token of a session that has
    ended tells of nobody: whoever stole one that was revoked could sign its owner out again and again.
    """
    known = {(caller.user_id, caller.session_id)} if caller.user_id is not None and caller.session_id else set()
    found = None if refresh is None else await fetch_row(FIND_SESSION, digest_of(refresh))
    if found is not None and found["revoked_at"] is None:
        known.add((found["user"], found["family"]))
    if not known:
        raise NotSignedIn
    if everywhere:
        for user_id in sorted({user_id for user_id, _ in known}):
            await end_sessions(user_id)
    else:
        for user_id, family in sorted(known):
            await end_session(user_id, family)


async def end_session(user_id: int, family: str) -> None:
    async with transaction():
        await execute(LOCK_USER, user_id)
        await execute(END_FAMILY, UUID(family), clock.now())
    revocations.copy.add([family])
    logger.info("session_ended", user_id=user_id, session_id=family)


async def end_sessions(user_id: int) -> None:
    """End every session of a user, in browsers and the admin site too.

    After a change of role or password, when deactivated, or when they ask for it.
    """
    async with transaction():
        if await fetch_row(LOCK_USER, user_id) is None:
            raise NotFound
        rows = await fetch(END_ALL, user_id, clock.now())
        await execute(END_ADMIN_SESSIONS, user_id)
    revocations.copy.add(row["family"] for row in rows)
    logger.info("sessions_ended", user_id=user_id)


async def forget_old_sessions() -> None:
    """Delete refresh tokens that could not be used any more anyway. For the schedules that clean up."""
    await execute("DELETE FROM user_session WHERE expires_at < $1", clock.now())


async def forget_old_admin_sessions() -> None:
    await execute(FORGET_ADMIN_SESSIONS)


async def _find_by_name(name: str, address: str) -> asyncpg.Record | None:
    return await fetch_row(FIND_BY_NAME, name, limits.network_of(address), clock.now() - limits.KNOWN_FOR)


async def _end_if_reused(digest: bytes) -> None:
    """Asks again: another client may have used the token since it was looked up."""
    found = await fetch_row(FIND_SESSION, digest)
    if found is not None and found["used_at"] is not None and found["revoked_at"] is None:
        logger.warning("refresh_token_reused", user_id=found["user"], session_id=found["family"])
        await end_session(found["user"], found["family"])


def _tokens_for(owner: asyncpg.Record, refresh: str) -> TokensOut:
    access = tokens.issue(owner["id"], owner["username"], Role(owner["role"]), owner["family"])
    return TokensOut(access=access, refresh=refresh, expires_in=tokens.LIFETIME_SECONDS)


async def _renew_hash(user_id: int, stored: str, password: str) -> str:
    renewed = await passwords.hash_password(password)
    await execute("UPDATE users SET password = $3 WHERE id = $1 AND password = $2", user_id, stored, renewed)
    return renewed
