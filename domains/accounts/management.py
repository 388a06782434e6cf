"""Users as administrators manage them."""

import asyncpg
import msgspec
from msgspec import UNSET

from domains.accounts import codes, letters, profiles, rules, sessions, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from domains.accounts.users import COLUMNS, LastAdmin
from domains.mail.services import Template
from lib import clock, log
from piccolo_conf import fetch_row, transaction

logger = log.get("accounts.management")

# The database keeps `admin` to the role; who is no admin is no superuser.
UPDATE = f"""
    UPDATE users SET username = $2, first_name = $3, last_name = $4, email = $5, email_verified_at = $6,
        role = $7::text, admin = ($7::text = 'admin'), superuser = superuser AND $7::text = 'admin', active = $8
    WHERE id = $1 RETURNING {COLUMNS}
"""
# A change of these ends what the user has open: tokens tell of the old role, and mails went to the old address.
ENDING = ("role", "active", "email")


async def change_user(user_id: int, patch: UserPatch) -> Profile:
    """Change what is given. Raises BadInput, EmailTaken, UsernameTaken, UserNotFound, and LastAdmin."""
    change = _read(patch)
    try:
        return await _change(user_id, change)
    except asyncpg.UniqueViolationError as error:
        raise users.conflict_of(error) from None


async def _change(user_id: int, change: dict[str, object]) -> Profile:
    async with transaction():
        locked = await users.lock_user(user_id)
        before = locked.profile
        wished = _with(before, change)
        if locked.is_last_admin and not (wished.active and wished.role is Role.ADMIN):
            raise LastAdmin
        await users.refuse_taken(wished.email, wished.username, but=user_id)
        after = await _store(wished)
        if any(getattr(before, name) != getattr(after, name) for name in ENDING):
            await _end(before, after)
    logger.info("user_changed", user_id=user_id, fields=sorted(change))
    return after


def _read(patch: UserPatch) -> dict[str, object]:
    change: dict[str, object] = {**profiles.clean(patch)}
    if patch.email is not UNSET:
        change["email"] = patch.email.strip()
        rules.refuse("The user cannot be changed like this.", rules.email_problems(patch.email.strip()))
    change |= {name: value for name in ("role", "active") if (value := getattr(patch, name)) is not UNSET}
    return change


def _with(before: Profile, change: dict[str, object]) -> Profile:
    """The administrator vouches for an address that they enter."""
    wished = msgspec.structs.replace(before, **change)
    if wished.email == before.email:
        return wished
    return msgspec.structs.replace(wished, email_verified_at=clock.now())


async def _store(wished: Profile) -> Profile:
    names = wished.username, wished.first_name, wished.last_name
    rest = wished.email, wished.email_verified_at, wished.role, wished.active
    if (row := await fetch_row(UPDATE, wished.id, *names, *rest)) is None:
        raise users.UserNotFound
    return users.shape(row)


async def _end(before: Profile, after: Profile) -> None:
    await codes.end(after.id)
    await sessions.end_sessions(after.id)
    if before.email != after.email:
        await letters.write(before, Template.EMAIL_CHANGED, new_email=after.email)
