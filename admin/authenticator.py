"""A second factor: codes of an authenticator app (RFC 6238), and recovery codes for when the phone is lost.

In Piccolo's table, but not by its provider, which enrols before a code was tried, computes eight slow hashes on the
event loop, and forgets all but the last code that was used.
"""

import hmac
from datetime import UTC, datetime

import msgspec
import pyotp
from cryptography.fernet import InvalidToken
from piccolo_api.mfa.authenticator.utils import get_b64encoded_qr_image
from piccolo_api.mfa.recovery_codes import generate_recovery_code

from domains.accounts import limits
from domains.accounts.schemas import Concealed
from lib import clock, log
from lib.errors import BadInput, Conflict, NotSignedIn
from lib.signing import derive_key, make_box
from piccolo_conf import execute, fetch_row, fetch_value, transaction

logger = log.get("admin.authenticator")

ISSUER = "Stockroom"
RECOVERY_CODES = 8
# A code counts for thirty seconds, and for those before and after: clocks differ, and typing takes time.
STEP_SECONDS = 30
STEPS_AROUND = 1
LONGEST_CODE = 20
ENROLMENT_SECONDS = 15 * 60

BOX = make_box("authenticator secrets")
# With a key that the database does not hold: sixty-two bits are too few for a plain digest to hide.
RECOVERY_KEY = derive_key("recovery codes")

FIND = """
    SELECT id, secret FROM authenticator_secret WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id DESC LIMIT 1
"""
LOCK = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE"
ENROL = """
    INSERT INTO authenticator_secret (user_id, secret, recovery_codes, recovery_codes_used_at, created_at, last_used_at)
    VALUES ($1, $2, $3, '{}', $4, $5)
"""
# `last_used_at` is when the last code that was used began to count: none counts twice, nor one before it.
USE_CODE = """
    UPDATE authenticator_secret SET last_used_at = $2
    WHERE id = $1 AND revoked_at IS NULL AND (last_used_at IS NULL OR last_used_at < $2) RETURNING id
"""
USE_RECOVERY_CODE = """
    UPDATE authenticator_secret SET recovery_codes = array_remove(recovery_codes, $2),
        recovery_codes_used_at = recovery_codes_used_at || $3::timestamptz
    WHERE id = $1 AND revoked_at IS NULL AND $2 = ANY(recovery_codes)
    RETURNING cardinality(recovery_codes)
"""
REVOKE = "UPDATE authenticator_secret SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL"


class WrongCode(NotSignedIn):
    """The code is not right, or was used already."""


class Unreadable(NotSignedIn):
    """Codes cannot be checked: the key of this server was changed. Ask who runs it to turn your second step off."""


class EnrolledAlready(Conflict):
    """Two-step sign-in is on already. Turn it off first, with a code."""


class EnrolmentLost(BadInput):
    """This took too long. Begin again."""


class Enrolment(Concealed, frozen=True):
    """A secret that waits for its first code; nothing is stored before."""

    user_id: int
    secret: str
    recovery_codes: list[str]

    def picture(self, email: str) -> str:
        """A QR code to scan, as a PNG in base64."""
        address = pyotp.TOTP(self.secret).provisioning_uri(name=email, issuer_name=ISSUER)
        picture: str = get_b64encoded_qr_image(address)
        return picture

    def seal(self) -> str:
        """For the browser to hand back with the first code."""
        return BOX.encrypt(msgspec.json.encode(self)).decode()


def begin(user_id: int) -> Enrolment:
    codes = [generate_recovery_code() for _ in range(RECOVERY_CODES)]
    return Enrolment(user_id, pyotp.random_base32(), codes)


def unseal(sealed: str, user_id: int) -> Enrolment:
    """Raises EnrolmentLost."""
    try:
        found = msgspec.json.decode(BOX.decrypt(sealed, ttl=ENROLMENT_SECONDS), type=Enrolment)
    except (InvalidToken, ValueError):
        # The second is of what is no base64 at all.
        raise EnrolmentLost from None
    if found.user_id != user_id:
        raise EnrolmentLost
    return found


async def finish(enrolment: Enrolment, code: str) -> None:
    """The app shows the right codes, so from now on they are asked for. Raises WrongCode and EnrolledAlready.

    The second keeps who began earlier, in a session that they stole, from putting their phone in the owner's place.
    """
    if (step := _step_of(code, enrolment.secret)) is None:
        raise WrongCode
    secret = BOX.encrypt(enrolment.secret.encode()).decode()
    digests = [_recovery_digest(code) for code in enrolment.recovery_codes]
    async with transaction():
        await execute(LOCK, enrolment.user_id)
        if await is_enrolled(enrolment.user_id):
            raise EnrolledAlready
        await execute(ENROL, enrolment.user_id, secret, digests, clock.now(), step)
    logger.info("authenticator_enrolled", user_id=enrolment.user_id)


async def is_enrolled(user_id: int) -> bool:
    return await fetch_row(FIND, user_id) is not None


async def check(user_id: int, code: str, address: str) -> None:
    """Use a code, or a recovery code. Raises TooManyAttempts, Unreadable, and WrongCode, a failed sign-in."""
    counted = await limits.count(limits.SIGN_IN, account=f"authenticator {user_id}", address=address)
    if not await _use(user_id, "".join(code.split()).lower()[:LONGEST_CODE]):
        logger.warning("authenticator_code_refused", user_id=user_id)
        raise WrongCode
    await limits.refund(counted)


async def stop(user_id: int) -> None:
    """No code is asked for any more."""
    await execute(REVOKE, user_id, clock.now())
    logger.info("authenticator_stopped", user_id=user_id)


async def _use(user_id: int, code: str) -> bool:
    if (found := await fetch_row(FIND, user_id)) is None:
        return False
    secret = _opened(found["secret"], user_id)
    if (step := _step_of(code, secret)) is not None:
        return await fetch_value(USE_CODE, found["id"], step) is not None
    left = await fetch_value(USE_RECOVERY_CODE, found["id"], _recovery_digest(code), clock.now())
    if left is not None:
        logger.info("recovery_code_used", user_id=user_id, left=left)
    return left is not None


def _opened(secret: str, user_id: int) -> str:
    """Raises Unreadable."""
    try:
        return BOX.decrypt(secret).decode()
    except InvalidToken:
        logger.warning("authenticator_unreadable", user_id=user_id)
        raise Unreadable from None


def _step_of(code: str, secret: str) -> datetime | None:
    """When the code began to count; None when it is not one of these minutes."""
    totp, now = pyotp.TOTP(secret), int(clock.now().timestamp()) // STEP_SECONDS
    steps = [
        step for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1) if _is_same(totp.generate_otp(step), code)
    ]
    return datetime.fromtimestamp(steps[-1] * STEP_SECONDS, UTC) if steps else None


def _is_same(code: str, given: str) -> bool:
    return hmac.compare_digest(code.encode(), given.encode("utf-8", "replace"))


def _recovery_digest(code: str) -> str:
    return hmac.digest(RECOVERY_KEY, code.encode("utf-8", "replace"), "sha256").hex()
