"""Whether a request comes from Shopify: HMAC-SHA256 over the raw body, in base64, with the secret of the app.

Source: shopify.dev, "Verify webhook deliveries".
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable


def sign(body: bytes, secret: str) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def is_genuine(body: bytes, signature: str, secrets: Iterable[str]) -> bool:
    """In a time that tells nothing. After a rotation Shopify may sign with the old secret for an hour."""
    given = signature.strip().encode()
    return any(hmac.compare_digest(sign(body, secret).encode(), given) for secret in secrets)
