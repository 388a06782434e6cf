"""Cursors: where a page ended, as opaque text that only this installation can write."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from lib.errors import BadInput, field_error
from settings import settings

SEAL_BYTES = 8
LONGEST = 4000
NOT_OF_THIS_LIST = "is not a cursor of this list"
KEY = hashlib.sha256(b"cursor:" + settings.secret_key.encode()).digest()


def encode(ordering: str, values: Sequence[object], mark: bytes = b"") -> str:
    """`values` are those of the last row's ordering columns; they travel as JSON. `mark`: the list's, ≤ 16 bytes."""
    body = msgspec.json.encode([ordering, *values])
    return base64.urlsafe_b64encode(_seal(body, mark) + body).decode().rstrip("=")


def decode(text: str, ordering: str, mark: bytes = b"") -> list[Any]:
    """The values; raises BadInput for a forged cursor and for one of another list or ordering."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise _bad() from None
    seal, body = raw[:SEAL_BYTES], raw[SEAL_BYTES:]
    if not hmac.compare_digest(seal, _seal(body, mark)):
        raise _bad()
    values: list[Any]
    made_for, *values = msgspec.json.decode(body)
    if made_for != ordering:
        raise field_error("after", f"is a cursor of the ordering {made_for}, not of {ordering}")
    return values


def _seal(body: bytes, mark: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=SEAL_BYTES, key=KEY, person=mark).digest()


def _bad() -> BadInput:
    return field_error("after", NOT_OF_THIS_LIST)
