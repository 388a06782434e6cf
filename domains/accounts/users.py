"""Users: making them, finding them, changing what they may do."""

import re
import secrets
from collections.abc import Iterator

import asyncpg
import msgspec

from domains.accounts import passwords, sessions
from domains.accounts.schemas import LONGEST_EMAIL, Profile
from domains.accounts.tables import Role
from lib import clock, log
from lib.errors import BadInput, Conflict, FieldError, NotFound
from piccolo_conf import execute, fetch, fetch_row, transaction
from settings import settings

logger = log.get("accounts.users")

LONGEST_NAME = 255
LONGEST_LOCAL_PART = 64
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
# RFC 5321 without quoted local parts and address literals; an international domain is written in its xn-- form.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
EMAIL = re.compile(rf"{ATOM}(?:\.{ATOM})*@(?:{LABEL}\.)+(?=[A-Za-z]){LABEL}")

COLUMNS = """
    id, username, email, first_name, last_name, role, active, superuser, email_verified_at, created_at, last_login_at
"""
# The next two rely on users_email_lower_key and users_username_lower_key.
FIND = f"SELECT {COLUMNS} FROM users WHERE lower(email) = lower($1) OR lower(username) = lower($1)"
FIND_TAKEN = """
    SELECT lower(email) = lower($1) AS email, lower(username) = lower($2) AS username
    FROM users WHERE lower(email) = lower($1) OR lower(username) = lower($2)
"""
INSERT = f"""
    INSERT INTO users (username, email, password, first_name, last_name, role, admin, superuser, active,
                       email_verified_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6::text, $6::text = 'admin', $7, true, $8, $9)
    RETURNING {COLUMNS}
"""
CHANGE_ROLE = """
    UPDATE users SET role = $2::text, admin = ($2::text = 'admin'), superuser = superuser AND $2::text = 'admin'
    WHERE id = $1
"""


class EmailTaken(Conflict):
    """Somebody is already registered with this e-mail address."""


class UsernameTaken(Conflict):
    """Somebody already uses this username."""


TAKEN: dict[str, type[Conflict]] = {"email": EmailTaken, "username": UsernameTaken}


async def create_user(
    *,
    email: str,
    password: str,
    username: str = "",
    first_name: str = "",
    last_name: str = "",
    role: Role = Role.CUSTOMER,
    superuser: bool = False,
    is_verified: bool = False,
) -> Profile:
    """Raises BadInput, EmailTaken or UsernameTaken, each with every field concerned.

    Without a username one is made from the e-mail address.
    """
    email, username = email.strip(), username.strip()
    names = {"first_name": first_name, "last_name": last_name}
    if errors := list(_problems(email, username, password, names)):
        raise BadInput("The user cannot be made like this.", errors=errors)
    await _refuse_taken(email, username)
    username = username or await _free_username(email)
    hashed, now = await passwords.hash_password(password), clock.now()
    verified_at = now if is_verified else None
    values = username, email, hashed, first_name, last_name, role, superuser, verified_at, now
    profile = _profile(await _insert(values))
    logger.info("user_created", user_id=profile.id, role=profile.role)
    return profile


async def ensure_first_admin() -> Profile | None:
    """Make the admin named by ADMIN_EMAIL and ADMIN_PASSWORD; None when they are not set."""
    if not settings.admin_email or not settings.admin_password:
        return None
    return await ensure_admin(settings.admin_email, settings.admin_password)


async def ensure_admin(email: str, password: str, username: str = "") -> Profile:
    """Make an admin, unless somebody has this e-mail address: they stay as they are, whoever they are.

    An address alone proves nothing, so a user who registered with it first is not raised to admin.
    """
    if (found := await find_user(email)) is None:
        try:
            return await create_user(
                email=email, password=password, username=username, role=Role.ADMIN, superuser=True, is_verified=True
            )
        except (EmailTaken, UsernameTaken):
            # Several processes may start at once; the one that was faster took the username too.
            if (found := await find_user(email)) is None:
                raise
    if found.role is not Role.ADMIN:
        logger.warning("first_admin_is_no_admin", user_id=found.id)
    return found


async def find_user(identifier: str) -> Profile | None:
    """By e-mail address or username, whatever the case of its letters."""
    row = await fetch_row(FIND, identifier.strip()) if "\0" not in identifier else None
    return None if row is None else _profile(row)


async def get_user(identifier: str) -> Profile:
    if (found := await find_user(identifier)) is None:
        raise NotFound("There is no such user.")
    return found


async def change_role(user_id: int, role: Role) -> None:
    """Ends the user's sessions: their tokens still tell of the old role. Raises NotFound."""
    async with transaction():
        await execute(CHANGE_ROLE, user_id, role)
        await sessions.end_sessions(user_id)
    logger.info("role_changed", user_id=user_id, role=role)


async def deactivate(user_id: int) -> None:
    """The user cannot sign in any more, and what is open ends. Raises NotFound."""
    async with transaction():
        await execute("UPDATE users SET active = false WHERE id = $1", user_id)
        await sessions.end_sessions(user_id)
    logger.info("user_deactivated", user_id=user_id)


def _problems(email: str, username: str, password: str, names: dict[str, str]) -> Iterator[FieldError]:
    if not EMAIL.fullmatch(email) or len(email) > LONGEST_EMAIL or email.index("@") > LONGEST_LOCAL_PART:
        yield FieldError("email", "is not an e-mail address")
    if username and not USERNAME.fullmatch(username):
        yield FieldError("username", "takes 3 to 64 letters, digits, dots, dashes and underscores")
    if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        yield FieldError("password", f"takes {passwords.SHORTEST} to {passwords.LONGEST} characters")
    for field, name in names.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            yield FieldError(field, f"takes up to {LONGEST_NAME} printable characters")


async def _refuse_taken(email: str, username: str) -> None:
    rows = await fetch(FIND_TAKEN, email, username)
    if taken := [field for field in TAKEN if any(row[field] for row in rows)]:
        raise _taken(taken)


async def _insert(values: tuple[object, ...]) -> asyncpg.Record:
    try:
        return (await fetch(INSERT, *values))[0]
    except asyncpg.UniqueViolationError as error:
        # Somebody took it since it was looked up.
        raise _taken(["email" if "email" in (error.constraint_name or "") else "username"]) from None


def _taken(fields: list[str]) -> Conflict:
    errors = [FieldError(field, (TAKEN[field].__doc__ or "").rstrip(".")) for field in fields]
    return TAKEN[fields[0]](errors=errors)


async def _free_username(email: str) -> str:
    """The local part of the address, with a random tail when somebody has that name or it is not fit for one."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", email.partition("@")[0]).lstrip("._-")[:50]
    if USERNAME.fullmatch(name) and not await fetch(FIND_TAKEN, "", name):
        return name
    return f"{name or 'user'}-{secrets.token_hex(4)}"


def _profile(row: asyncpg.Record) -> Profile:
    return msgspec.convert(dict(row), Profile)
