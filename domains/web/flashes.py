"""A sentence for the next page: it travels in a sealed cookie of a few minutes and is shown once."""

import base64
import binascii
import hmac
from enum import StrEnum

import msgspec

from domains.accounts.cookies import PREFIX, SUFFIX
from lib import clock
from lib.signing import derive_key

COOKIE = f"{PREFIX}stockroom_flash{SUFFIX}"
SECONDS = 300
KEY = derive_key("flash")
SEAL_BYTES = 16
LONGEST = 4000


class Mood(StrEnum):
    GOOD = "good"
    INFO = "info"


class Flash(msgspec.Struct, frozen=True):
    """`email` is whom it is about, for the form on that page."""

    text: str
    mood: Mood = Mood.GOOD
    email: str = ""


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    flash: Flash
    expires: int


def seal(flash: Flash) -> str:
    body = msgspec.json.encode(_Sealed(flash, int(clock.now().timestamp()) + SECONDS))
    return base64.urlsafe_b64encode(_mac(body) + body).decode().rstrip("=")


def unseal(text: str) -> Flash | None:
    """None for what is not ours or too old."""
    if not text or len(text) > LONGEST:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    mac, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
    if not hmac.compare_digest(mac, _mac(body)):
        return None
    sealed = msgspec.json.decode(body, type=_Sealed)
    return sealed.flash if sealed.expires > clock.now().timestamp() else None


def _mac(body: bytes) -> bytes:
    return hmac.digest(KEY, body, "sha256")[:SEAL_BYTES]
