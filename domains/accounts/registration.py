"""Signing up: an account, and the proof that its e-mail address is the owner's."""

import msgspec

from domains.accounts import codes, letters, limits, users
from domains.accounts.account_schemas import ProofIn, SignUpIn
from domains.accounts.codes import BadCode, Proven
from domains.accounts.limits import Counted
from domains.accounts.pace import steady
from domains.accounts.schemas import Device, Profile
from domains.accounts.tables import Purpose, Role
from domains.accounts.users import NewUser
from domains.mail.services import Template
from lib import clock, log
from lib.errors import Conflict, field_error
from piccolo_conf import execute, transaction

logger = log.get("accounts.registration")

VERIFY = "UPDATE users SET email_verified_at = $2 WHERE id = $1 AND email_verified_at IS NULL"


class AlreadyVerified(Conflict):
    """This e-mail address is confirmed already: sign in."""


async def sign_up(data: SignUpIn, device: Device) -> Profile:
    """Make a customer and write the mail with which they prove their address.

    Raises BadInput, EmailTaken and UsernameTaken, each with every field concerned.
    """
    await limits.count(limits.SIGN_UP, address=device.ip)
    candidate = await users.examine(_read(data, Role.CUSTOMER))
    async with transaction():
        profile = await users.add_user(candidate)
        await codes.send(profile, Purpose.VERIFY_EMAIL)
    return profile


async def sign_up_for(data: SignUpIn, role: Role) -> Profile:
    """An administrator makes the account, and vouches for its address. Raises like `sign_up`."""
    new = msgspec.structs.replace(_read(data, role), is_verified=True)
    return await users.add_user(await users.examine(new))


async def activate(proof: ProofIn, device: Device) -> Profile:
    """Confirm the e-mail address; raises BadCode."""
    counted = await count_try(proof, "verify", device)
    proven = await _verify(proof)
    await limits.refund(counted)
    logger.info("user_activated", user_id=proven.profile.id)
    await limits.remember_address(proven.profile.id, device.ip)
    return await users.get_by_id(proven.profile.id)


async def resend(email: str, device: Device) -> None:
    """Another mail, whose code replaces the one before. Raises AlreadyVerified; silent for an unknown address."""
    await limits.count(limits.RESEND, account=f"verify:{email.strip()}", address=device.ip)
    await steady(_resend(email))


async def use_proof(proof: ProofIn, purpose: Purpose) -> Proven | None:
    """For inside a transaction: None, so that it can end well and the try is counted."""
    if proof.is_link:
        return await codes.use_link(proof.uid or "", proof.token or "", purpose)
    return await codes.use_code(proof.email or "", proof.code or "", purpose)


async def count_try(proof: ProofIn, what: str, device: Device) -> Counted:
    """To be refunded when it was right."""
    if proof.is_link:
        return await limits.count(limits.LINK, address=device.ip)
    account = f"{what}:{(proof.email or '').strip()}"
    return await limits.count(limits.CODE, account=account, address=device.ip)


async def _verify(proof: ProofIn) -> Proven:
    async with transaction():
        if (proven := await use_proof(proof, Purpose.VERIFY_EMAIL)) is not None:
            await execute(VERIFY, proven.profile.id, clock.now())
            await letters.write(proven.profile, Template.ACCOUNT_ACTIVATED)
    if proven is None:
        raise BadCode
    return proven


async def _resend(email: str) -> None:
    async with transaction():
        profile = await codes.lock_by_email(email)
        if profile is not None and profile.email_verified_at is None:
            await codes.send(profile, Purpose.VERIFY_EMAIL)
    if profile is not None and profile.email_verified_at is not None:
        raise AlreadyVerified


def _read(data: SignUpIn, role: Role) -> NewUser:
    if data.re_password != data.password:
        raise field_error("re_password", "does not match the password")
    first_name, last_name = data.names
    return NewUser(
        email=data.email,
        password=data.password,
        username=data.username,
        first_name=first_name,
        last_name=last_name,
        role=role,
    )
