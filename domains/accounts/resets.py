"""Passwords: forgotten and set anew by a mailed code, or changed by somebody who knows the present one."""

from domains.accounts import api_keys, codes, letters, limits, passwords, registration, rules, sessions
from domains.accounts.account_schemas import ConfirmResetIn
from domains.accounts.codes import BadCode, Proven
from domains.accounts.pace import steady
from domains.accounts.reauthentication import confirm_password, lock_owner
from domains.accounts.schemas import Caller, Device, Profile
from domains.accounts.tables import Purpose
from domains.accounts.users import get_by_id
from domains.mail.services import Template
from lib import clock, log
from lib.errors import field_error
from piccolo_conf import execute, transaction

logger = log.get("accounts.resets")

UNFIT = "The password cannot be this one."
SET_PASSWORD = "UPDATE users SET password = $2 WHERE id = $1"  # noqa: S105 - A statement.
# Whoever reads the mail has proven the address too: no second mail is needed before they can sign in.
VERIFY = "UPDATE users SET email_verified_at = coalesce(email_verified_at, $2) WHERE id = $1"


async def request_reset(email: str, device: Device) -> None:
    """Write a mail with a code, if there is an active user with this address; nobody learns whether there is."""
    await limits.count(limits.RESET, account=f"reset:{email.strip()}", address=device.ip)
    await steady(_request_reset(email))


async def confirm_reset(data: ConfirmResetIn, device: Device) -> Profile:
    """Set a new password by what was mailed, and end every session and API key: then the account is theirs alone.

    Raises BadCode, and BadInput for the password.
    """
    _check_repeated(data.new_password, data.re_new_password)
    rules.refuse(UNFIT, rules.password_problems(data.new_password, field="new_password"))
    counted = await registration.count_try(data, "reset", device)
    # Before the code is looked up, so that a wrong one takes as long as a right one.
    hashed = await passwords.hash_password(data.new_password)
    proven = await _use_reset(data, hashed)
    await limits.refund(counted)
    logger.info("password_reset", user_id=proven.profile.id)
    await limits.remember_address(proven.profile.id, device.ip)
    return await get_by_id(proven.profile.id)


async def set_password(
    caller: Caller, current_password: str, new_password: str, re_new_password: str | None = None
) -> None:
    """Ends every session, the caller's too. Raises WrongPassword, and BadInput for the new one."""
    _check_repeated(new_password, re_new_password)
    stored = await confirm_password(caller.known_id, current_password)
    rules.refuse(UNFIT, rules.password_problems(new_password, field="new_password"))
    hashed = await passwords.hash_password(new_password)
    async with transaction():
        await _replace(await lock_owner(caller.known_id, stored), new_password, hashed)
    logger.info("password_changed", user_id=caller.known_id)


async def _request_reset(email: str) -> None:
    async with transaction():
        if (profile := await codes.lock_by_email(email)) is not None:
            await codes.send(profile, Purpose.RESET_PASSWORD)


async def _use_reset(data: ConfirmResetIn, hashed: str) -> Proven:
    async with transaction():
        if (proven := await registration.use_proof(data, Purpose.RESET_PASSWORD)) is not None:
            await _replace(proven.profile, data.new_password, hashed)
            await execute(VERIFY, proven.profile.id, clock.now())
            await api_keys.revoke_keys(proven.profile.id)
    if proven is None:
        raise BadCode
    return proven


async def _replace(owner: Profile, new_password: str, hashed: str) -> None:
    """Raises BadInput when it is as well known as their name; then the code stays good for another try."""
    known = owner.email, owner.username
    rules.refuse(UNFIT, rules.password_problems(new_password, *known, field="new_password"))
    await execute(SET_PASSWORD, owner.id, hashed)
    await codes.end(owner.id)
    await sessions.end_sessions(owner.id)
    await letters.write(owner, Template.PASSWORD_CHANGED)


def _check_repeated(new_password: str, repeated: str | None) -> None:
    if repeated is not None and repeated != new_password:
        raise field_error("re_new_password", "does not match the new password")
