"""Avatars: one small square picture for each user, kept in the database."""

import hashlib

import msgspec

from domains.accounts import pictures
from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.accounts.tables import Role
from domains.accounts.users import is_id
from lib import clock, log
from lib.errors import NotFound
from piccolo_conf import execute, fetch_row

logger = log.get("accounts.avatars")

LARGEST_BYTES = 5 << 20

# By avatar_user_key.
SAVE = """
    INSERT INTO avatar ("user", image, digest, updated_at) SELECT id, $2, $3, $4 FROM users WHERE id = $1 AND active
    ON CONFLICT ("user") DO UPDATE SET
        image = EXCLUDED.image, digest = EXCLUDED.digest, updated_at = EXCLUDED.updated_at
"""
FIND = 'SELECT image, digest, role FROM avatar JOIN users ON users.id = "user" WHERE "user" = $1'


class NoAvatar(NotFound):
    """There is no such picture."""


class Picture(msgspec.Struct, frozen=True):
    """A WebP; `digest` changes with it."""

    image: bytes
    digest: str
    role: Role


async def set_avatar(user_id: int, data: bytes) -> None:
    """Whatever picture was sent becomes a square of 450 pixels. Raises what `pictures.make_square` raises."""
    image = await pictures.make_square(data)
    digest = hashlib.sha256(image).hexdigest()[:16]
    await execute(SAVE, user_id, image, digest, clock.now())
    logger.info("avatar_set", user_id=user_id, bytes=len(image))


async def remove_avatar(user_id: int) -> None:
    await execute('DELETE FROM avatar WHERE "user" = $1', user_id)


async def get_avatar(user_id: int) -> Picture:
    row = await fetch_row(FIND, user_id) if is_id(user_id) else None
    if row is None:
        raise NoAvatar
    return msgspec.convert(dict(row), Picture)


async def get_avatar_for(caller: Caller, user_id: int) -> Picture:
    """One's own, a customer's for who may read customers, anybody's for who manages users; NoAvatar for the rest."""
    picture = await get_avatar(user_id)
    is_customers = picture.role is Role.CUSTOMER and Scope.CUSTOMERS_READ in caller.scopes
    if caller.user_id != user_id and not is_customers and Scope.USERS_WRITE not in caller.scopes:
        raise NoAvatar
    return picture
