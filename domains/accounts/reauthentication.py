"""The present password, asked for again before what a stolen session must not do."""

from domains.accounts import limits, passwords
from domains.accounts.schemas import Profile
from domains.accounts.users import COLUMNS, shape
from lib.errors import BadInput, FieldError
from piccolo_conf import fetch_row, fetch_value

LOCK = f"SELECT {COLUMNS} FROM users WHERE id = $1 AND password = $2 AND active FOR NO KEY UPDATE"


class WrongPassword(BadInput):
    """The present password is not right."""

    def __init__(self) -> None:
        super().__init__(errors=[FieldError("current_password", "is not right")])


async def confirm_password(user_id: int, password: str) -> str:
    """The stored hash that it matches; raises WrongPassword, and TooManyAttempts after some of those."""
    counted = await limits.count(limits.PASSWORD, account=str(user_id))
    stored: str | None = await fetch_value("SELECT password FROM users WHERE id = $1 AND active", user_id)
    if not await passwords.is_password(password, stored) or stored is None:
        raise WrongPassword
    await limits.refund(counted)
    return stored


async def lock_owner(user_id: int, stored: str) -> Profile:
    """First of all in a transaction. Raises WrongPassword when the password was changed since it was confirmed."""
    if (row := await fetch_row(LOCK, user_id, stored)) is None:
        raise WrongPassword
    return shape(row)
