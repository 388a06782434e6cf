"""Proof that a browser's request comes from a page of ours: its origin, and a token that only our pages know.

The token is bound to a secret cookie of the browser: that of its session, or before there is one that of a visit, so
that nobody can sign somebody else's browser in either.
"""

import hmac
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from domains.accounts.cookies import PREFIX, SUFFIX, read_cookie
from lib.errors import NotAllowed
from lib.signing import TOKEN_CHARACTERS, derive_key
from settings import settings

HEADER = "x-csrf-token"
FIELD = "csrf_token"
VISIT = f"{PREFIX}stockroom_visit{SUFFIX}"
# Handlers of pages set this option: the proof of their forms is a field, which `check` finds when the form is read.
IN_FORM = "csrf_in_form"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
# "none" is a person's own doing, as reloading a page is.
OUR_SITES = {"same-origin", "none"}
KEY = derive_key("csrf")
SALT_BYTES = 8
SHAPE = re.compile(r"([0-9a-f]{16})\.([0-9a-f]{64})")


class CsrfFailed(NotAllowed):
    """This did not come from a current page of this site. Load the page again and repeat."""


def make_token(secret: str) -> str:
    """Another one each time, lest a compressing proxy gives it away letter by letter (BREACH)."""
    salt = secrets.token_hex(SALT_BYTES)
    return f"{salt}.{_mac(salt, secret)}"


def is_token(token: str, secret: str) -> bool:
    found = SHAPE.fullmatch(token)
    return bool(secret and found and hmac.compare_digest(found[2], _mac(found[1], secret)))


def _mac(salt: str, secret: str) -> str:
    return hmac.digest(KEY, f"{salt}.{secret}".encode(), "sha256").hex()


def secret_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The cookie that this browser's tokens are bound to; empty on a first visit."""
    session: str | None = connection.scope.get("auth")
    return session or visit_of(connection)


def visit_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    secret = read_cookie(connection, VISIT)
    return secret if TOKEN_CHARACTERS.fullmatch(secret) else ""


def check(connection: ASGIConnection[Any, Any, Any, Any], field: str = "") -> None:
    """Raises CsrfFailed without the whole proof."""
    if not is_proven(connection, field):
        raise CsrfFailed


def is_proven(connection: ASGIConnection[Any, Any, Any, Any], field: str = "") -> bool:
    """The token may stand in the header or in a form's `field`."""
    token = connection.headers.get(HEADER) or field
    return comes_from_us(connection) and is_token(token, secret_of(connection))


def comes_from_us(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether nothing that the browser says of the page behind a request speaks against it."""
    headers = connection.headers
    if headers.get("sec-fetch-site", "none") not in OUR_SITES:
        return False
    told = headers.get("origin") or headers.get("referer")
    return told is None or is_our_origin(told, headers.get("host", ""))


def is_our_origin(address: str, host: str) -> bool:
    """By name and port: behind a proxy that speaks TLS for us the scheme is not ours to know."""
    try:
        told = urlsplit(address)
    except ValueError:
        return False
    ours = {host.lower(), urlsplit(settings.public_url).netloc.lower()} - {""}
    return told.scheme in {"http", "https"} and told.netloc.lower() in ours
