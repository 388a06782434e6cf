"""Users: making them, finding them, changing what they may do."""

import re
import secrets
from collections.abc import Iterator, Sequence

import asyncpg
import msgspec

from domains.accounts import passwords, rules, sessions
from domains.accounts.schemas import Concealed, Profile
from domains.accounts.tables import Role
from lib import clock, log
from lib.errors import Conflict, FieldError, NotFound
from lib.integers import LARGEST_INTEGER
from piccolo_conf import execute, fetch, fetch_row, transaction
from settings import settings

logger = log.get("accounts.users")


# The picture's address changes with the picture. Relies on avatar_user_key.
COLUMNS = """
    id, username, email, first_name, last_name, role, active, superuser, email_verified_at, created_at, last_login_at,
    (SELECT '/auth/users/' || users.id || '/avatar?v=' || digest FROM avatar WHERE "user" = users.id) AS avatar_url
"""
# The next two rely on users_email_lower_key and users_username_lower_key.
FIND = f"SELECT {COLUMNS} FROM users WHERE lower(email) = lower($1) OR lower(username) = lower($1)"
FIND_TAKEN = """
    SELECT lower(email) = lower($1) AS email, lower(username) = lower($2) AS username
    FROM users WHERE (lower(email) = lower($1) OR lower(username) = lower($2)) AND id <> $3
"""
# A conflict that raised would spoil the transaction in which the user is made.
INSERT = f"""
    INSERT INTO users (username, email, password, first_name, last_name, role, admin, superuser, active,
                       email_verified_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6::text, $6::text = 'admin', $7, true, $8, $9)
    ON CONFLICT DO NOTHING
    RETURNING {COLUMNS}
"""
# By id, so that two admins who remove each other wait instead of dying: the second finds that they would be the last.
LOCK = f"SELECT {COLUMNS} FROM users WHERE id = $1 OR (role = 'admin' AND active) ORDER BY id FOR NO KEY UPDATE"


class EmailTaken(Conflict):
    """Somebody is already registered with this e-mail address."""


class UsernameTaken(Conflict):
    """Somebody already uses this username."""


class LastAdmin(Conflict):
    """This is the last administrator who can sign in: make another one first."""


class UserNotFound(NotFound):
    """There is no such user."""


TAKEN: dict[str, type[Conflict]] = {"email": EmailTaken, "username": UsernameTaken}


class NewUser(Concealed, frozen=True, kw_only=True):
    """Somebody to be made a user; without a username one is made from the e-mail address."""

    email: str
    password: str
    username: str = ""
    first_name: str = ""
    last_name: str = ""
    role: Role = Role.CUSTOMER
    superuser: bool = False
    is_verified: bool = False


class Candidate(Concealed, frozen=True):
    """A new user whose data are in order, and the hash of the password."""

    user: NewUser
    hashed: str


class Locked(msgspec.Struct, frozen=True):
    """A user whose row is locked, and with it those of all active admins."""

    profile: Profile
    is_last_admin: bool


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
    new = NewUser(
        email=email,
        password=password,
        username=username,
        first_name=first_name,
        last_name=last_name,
        role=role,
        superuser=superuser,
        is_verified=is_verified,
    )
    return await add_user(await examine(new))


async def examine(new: NewUser) -> Candidate:
    """Everything that takes no lock: for before a transaction. Raises like `create_user`."""
    new = msgspec.structs.replace(new, email=new.email.strip(), username=new.username.strip())
    rules.refuse("The user cannot be made like this.", _problems(new))
    await refuse_taken(new.email, new.username)
    return Candidate(new, await passwords.hash_password(new.password))


async def add_user(candidate: Candidate) -> Profile:
    """Raises EmailTaken or UsernameTaken when somebody was faster."""
    new, now = candidate.user, clock.now()
    names = [new.username] if new.username else [await _free_username(new.email), _with_tail(new.email)]
    rest = new.role, new.superuser, now if new.is_verified else None, now
    for username in names:
        values = username, new.email, candidate.hashed, new.first_name, new.last_name, *rest
        if (row := await fetch_row(INSERT, *values)) is not None:
            profile = shape(row)
            logger.info("user_created", user_id=profile.id, role=profile.role)
            return profile
    await refuse_taken(new.email, new.username)
    raise EmailTaken


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
    return None if row is None else shape(row)


async def get_user(identifier: str) -> Profile:
    if (found := await find_user(identifier)) is None:
        raise UserNotFound
    return found


async def get_by_id(user_id: int) -> Profile:
    """Raises UserNotFound also for what is too large to be an id."""
    row = await fetch_row(f"SELECT {COLUMNS} FROM users WHERE id = $1", user_id) if is_id(user_id) else None
    if row is None:
        raise UserNotFound
    return shape(row)


def is_id(number: int) -> bool:
    return 0 < number <= LARGEST_INTEGER


async def lock_user(user_id: int) -> Locked:
    """For whoever changes a user, first of all in their transaction. Raises UserNotFound."""
    rows = await fetch(LOCK, user_id) if is_id(user_id) else []
    found = next((shape(row) for row in rows if row["id"] == user_id), None)
    if found is None:
        raise UserNotFound
    others = [row for row in rows if row["id"] != user_id and row["email_verified_at"] is not None]
    return Locked(found, found.role is Role.ADMIN and found.active and not others)


async def deactivate(user_id: int) -> None:
    """The user cannot sign in any more, and what is open ends. Raises UserNotFound and LastAdmin."""
    async with transaction():
        if (await lock_user(user_id)).is_last_admin:
            raise LastAdmin
        await execute("UPDATE users SET active = false WHERE id = $1", user_id)
        await sessions.end_sessions(user_id)
    logger.info("user_deactivated", user_id=user_id)


async def refuse_taken(email: str, username: str, *, but: int = 0) -> None:
    """Raises EmailTaken or UsernameTaken when somebody else than `but` has them."""
    rows = await fetch(FIND_TAKEN, email, username, but)
    if taken := [field for field in TAKEN if any(row[field] for row in rows)]:
        raise conflict(taken)


def conflict(fields: Sequence[str]) -> Conflict:
    errors = [FieldError(field, (TAKEN[field].__doc__ or "").rstrip(".")) for field in fields]
    return TAKEN[fields[0]](errors=errors)


def conflict_of(error: asyncpg.UniqueViolationError) -> Conflict:
    """Somebody took it since it was looked up."""
    return conflict(["email" if "email" in (error.constraint_name or "") else "username"])


def shape(row: asyncpg.Record) -> Profile:
    return msgspec.convert(dict(row), Profile)


def _problems(new: NewUser) -> Iterator[FieldError]:
    yield from rules.email_problems(new.email)
    if new.username:
        yield from rules.username_problems(new.username)
    yield from rules.password_problems(new.password, new.email, new.username or _local_part(new.email))
    yield from rules.name_problems({"first_name": new.first_name, "last_name": new.last_name})


async def _free_username(email: str) -> str:
    """The local part of the address, with a random tail when somebody has that name or it is not fit for one."""
    name = _local_part(email)
    is_fit = not any(rules.username_problems(name))
    if is_fit and not await fetch(FIND_TAKEN, "", name, 0):
        return name
    return _with_tail(email)


def _with_tail(email: str) -> str:
    return f"{_local_part(email) or 'user'}-{secrets.token_hex(4)}"


def _local_part(email: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", email.partition("@")[0]).lstrip("._-")[:50]
