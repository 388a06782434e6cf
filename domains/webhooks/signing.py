"""Standard Webhooks: what proves to a receiver that a request is ours and its body as we sent it.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from cryptography.fernet import InvalidToken

from lib.signing import make_box

PREFIX = "whsec_"
SECRET_BYTES = 32
# So long an old secret signs along after a new one was made.
OVERLAP = timedelta(hours=24)
BOX = make_box("webhook secrets")


class Secret(msgspec.Struct, frozen=True):
    """As it is stored; the newest never expires."""

    sealed: str
    expires_at: datetime | None = None


SECRETS = msgspec.json.Decoder(tuple[Secret, ...])


def new_secret() -> str:
    """ "whsec_" and 32 random bytes in base64: to be shown once."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str) -> Secret:
    return Secret(BOX.encrypt(secret.encode()).decode())


def rotate(stored: Sequence[Secret], secret: str, now: datetime) -> tuple[Secret, ...]:
    """With a new one at the head; those that were there sign along for a day from when they were followed."""
    ends = now + OVERLAP
    older = [msgspec.structs.replace(old, expires_at=old.expires_at or ends) for old in stored]
    return (seal(secret), *(old for old in older if is_live(old, now)))


def is_live(secret: Secret, now: datetime) -> bool:
    return secret.expires_at is None or secret.expires_at > now


def keys_of(stored: str, now: datetime) -> tuple[bytes, ...]:
    """The keys to sign with, from the JSON of an endpoint's secrets.

    None at all where one cannot be read, as after SECRET_KEY was changed: then nothing may be sent.
    """
    try:
        return unseal(SECRETS.decode(stored), now)
    except (InvalidToken, ValueError):
        return ()


def unseal(stored: Sequence[Secret], now: datetime) -> tuple[bytes, ...]:
    """The keys of every secret that is live. Raises InvalidToken and ValueError."""
    return tuple(_key(BOX.decrypt(secret.sealed.encode()).decode()) for secret in stored if is_live(secret, now))


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def sign(webhook_id: str, timestamp: int, body: bytes, keys: Sequence[bytes]) -> dict[str, str]:
    """The three headers of a request; the timestamp is that of the attempt, in unix seconds."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    marks = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }
