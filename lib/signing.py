"""Keys and boxes derived from SECRET_KEY, and random tokens that are stored only as their digest."""

import base64
import hashlib
import hmac
import re
import secrets

from cryptography.fernet import Fernet

from settings import settings

TOKEN_BYTES = 32
# What `new_token` makes: whatever looks otherwise needs no look into the database.
TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9_-]{43}")


def derive_key(purpose: str) -> bytes:
    """32 bytes of their own for each purpose, so that nothing signed for one passes for another."""
    return hmac.digest(settings.secret_key.encode(), purpose.encode(), hashlib.sha256)


def make_box(purpose: str) -> Fernet:
    """Seals bytes so that nobody else can read or change them; a purpose of its own for each use, as `derive_key`."""
    return Fernet(base64.urlsafe_b64encode(derive_key(purpose)))


def new_token() -> str:
    """An opaque secret of 256 bits, safe in URLs and headers."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def digest_of(token: str) -> bytes:
    """What to store of a random token. It has too much entropy to be guessed, so a plain SHA-256 is enough."""
    return hashlib.sha256(token.encode()).digest()
