"""One's own account: names, username, e-mail address, and leaving."""

import asyncpg
import msgspec

from domains.accounts import api_keys, codes, letters, limits, rules, sessions, users
from domains.accounts.account_schemas import EmailProofIn, ProfilePatch
from domains.accounts.codes import BadCode, Proven
from domains.accounts.limits import Counted
from domains.accounts.reauthentication import confirm_password, lock_owner
from domains.accounts.schemas import Caller, Device, Profile
from domains.accounts.tables import Purpose
from domains.accounts.users import COLUMNS, LastAdmin
from domains.mail import services as mail
from domains.mail.services import Template
from lib import clock, log
from lib.errors import NotSignedIn, field_error
from piccolo_conf import execute, fetch_row, transaction

logger = log.get("accounts.profiles")

UPDATE = f"""
    UPDATE users SET username = coalesce($2, username), first_name = coalesce($3, first_name),
        last_name = coalesce($4, last_name)
    WHERE id = $1 AND active RETURNING {COLUMNS}
"""
SET_EMAIL = "UPDATE users SET email = $2, email_verified_at = $3 WHERE id = $1"
# The row stays, because orders, movements and history point to it; what tells who it was goes.
ERASE = """
    UPDATE users SET username = 'deleted-' || id, email = 'deleted-' || id || '@deleted.invalid', password = '',
        first_name = '', last_name = '', active = false, superuser = false, email_verified_at = NULL,
        last_login_at = NULL
    WHERE id = $1
"""
ERASE_TRACES = """UPDATE user_session SET user_agent = '', ip = '' WHERE "user" = $1"""


async def get_profile(user_id: int) -> Profile:
    return await users.get_by_id(user_id)


async def update_profile(user_id: int, patch: ProfilePatch) -> Profile:
    """Raises BadInput with every field concerned, UsernameTaken, and UserNotFound for who has left meanwhile."""
    change = clean(patch)
    values = change.get("username"), change.get("first_name"), change.get("last_name")
    try:
        row = await fetch_row(UPDATE, user_id, *values)
    except asyncpg.UniqueViolationError as error:
        raise users.conflict_of(error) from None
    if row is None:
        raise users.UserNotFound
    return users.shape(row)


def clean(patch: ProfilePatch) -> dict[str, str]:
    """Username and names that are given, trimmed. Raises BadInput with every field concerned."""
    given = {name: getattr(patch, name) for name in ("username", "first_name", "last_name")}
    change = {name: text.strip() for name, text in given.items() if text is not msgspec.UNSET}
    names = {name: text for name, text in change.items() if name != "username"}
    problems = [*rules.name_problems(names)]
    if "username" in change:
        problems += rules.username_problems(change["username"])
    rules.refuse("The profile cannot be changed like this.", iter(problems))
    return change


async def request_email_change(user_id: int, current_password: str, new_email: str, device: Device) -> None:
    """Write a mail to the new address; until it is answered the old one stays.

    Raises WrongPassword, BadInput and EmailTaken.
    """
    email = new_email.strip()
    rules.refuse("The address cannot be this one.", rules.email_problems(email, "new_email"))
    stored = await confirm_password(user_id, current_password)
    await limits.count(limits.RESEND, account=f"change:{user_id}", address=device.ip)
    await users.refuse_taken(email, "", but=user_id)
    async with transaction():
        owner = await lock_owner(user_id, stored)
        if owner.email == email:
            raise field_error("new_email", "is your address already")
        await codes.send(owner, Purpose.CHANGE_EMAIL, to=email)
    logger.info("email_change_requested", user_id=user_id)


async def confirm_email_change(proof: EmailProofIn, caller: Caller, device: Device) -> Profile:
    """The new address takes the place of the old one, which is told; every session ends.

    Raises BadCode, EmailTaken when somebody else has registered with it since, and NotSignedIn: a code alone does not
    tell whose it is.
    """
    counted = await _count_try(proof, caller, device)
    try:
        proven = await _change_email(proof, caller)
    except asyncpg.UniqueViolationError as error:
        raise users.conflict_of(error) from None
    await limits.refund(counted)
    logger.info("email_changed", user_id=proven.profile.id)
    return await users.get_by_id(proven.profile.id)


async def leave(user_id: int, current_password: str) -> None:
    """Close and erase one's own account for good. Raises WrongPassword and LastAdmin."""
    stored = await confirm_password(user_id, current_password)
    async with transaction():
        if (await users.lock_user(user_id)).is_last_admin:
            raise LastAdmin
        await _erase(await lock_owner(user_id, stored))
    logger.info("user_left", user_id=user_id)


async def _erase(owner: Profile) -> None:
    await sessions.end_sessions(owner.id)
    await execute(ERASE, owner.id)
    await execute(ERASE_TRACES, owner.id)
    await api_keys.revoke_keys(owner.id)
    for table in ("avatar", "one_time_code", "known_address"):
        await execute(f'DELETE FROM {table} WHERE "user" = $1', owner.id)
    await execute("DELETE FROM authenticator_secret WHERE user_id = $1", owner.id)
    await mail.forget_letters_to(owner.email)


async def _count_try(proof: EmailProofIn, caller: Caller, device: Device) -> Counted:
    if proof.is_link:
        return await limits.count(limits.LINK, address=device.ip)
    if caller.session_id is None:
        raise NotSignedIn
    return await limits.count(limits.CODE, account=f"change:{caller.known_id}", address=device.ip)


async def _change_email(proof: EmailProofIn, caller: Caller) -> Proven:
    async with transaction():
        if (proven := await _use(proof, caller)) is not None:
            owner, email = proven.profile, proven.email
            await execute(SET_EMAIL, owner.id, email, clock.now())
            await codes.end(owner.id)
            await sessions.end_sessions(owner.id)
            await letters.write(owner, Template.EMAIL_CHANGED, new_email=email)
    if proven is None:
        raise BadCode
    return proven


async def _use(proof: EmailProofIn, caller: Caller) -> Proven | None:
    if proof.is_link:
        return await codes.use_link(proof.uid or "", proof.token or "", Purpose.CHANGE_EMAIL)
    return await codes.use_own_code(caller.known_id, proof.code or "", Purpose.CHANGE_EMAIL)
