"""Access tokens: JWT signed with HS256 and a key of their own, valid for 15 minutes.

A token says who its bearer is and in which session, so that a request needs no database. Only what `issue` writes is
ever read: the header is compared as text before anything is parsed (RFC 8725, section 3.1), which leaves no room for
other algorithms, `crit`, `jku`, `jwk` or `kid`.
"""

import re
import secrets
from typing import Annotated
from uuid import UUID

import msgspec
from jose import jwk, jwt

from domains.accounts.tables import Role
from lib import clock
from lib.errors import NotSignedIn
from lib.signing import derive_key

ALGORITHM = "HS256"
AUDIENCE = "stockroom:api"
LIFETIME_SECONDS = 15 * 60
LARGEST_SKEW_SECONDS = 60
LONGEST = 4096
# A ready Key: given bytes, python-jose would first try to read them as JSON.
KEY = jwk.construct(derive_key("access token"), ALGORITHM)
REQUIRED = {f"require_{claim}": True for claim in ("exp", "iat", "sub", "jti", "aud")}
HEADER = jwt.encode({}, KEY, algorithm=ALGORITHM).partition(".")[0]
# 32 bytes of signature are 43 letters, and the last one has two unused bits: only one spelling is the real one.
SHAPE = re.compile(re.escape(HEADER) + r"\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


class BadToken(NotSignedIn):
    """The token is not valid or has expired."""

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sub` is the user's id, `sid` the session's family, `name` the username; `exp` and `iat` are Unix seconds."""

    sub: Annotated[str, msgspec.Meta(pattern=r"^[1-9][0-9]{0,9}\Z")]
    name: str
    role: Role
    sid: UUID
    jti: str
    aud: str
    iat: int
    exp: int


def issue(user_id: int, username: str, role: Role, family: UUID) -> str:
    now = int(clock.now().timestamp())
    claims = Claims(
        sub=str(user_id),
        name=username,
        role=role,
        sid=family,
        jti=secrets.token_urlsafe(12),
        aud=AUDIENCE,
        iat=now,
        exp=now + LIFETIME_SECONDS,
    )
    token: str = jwt.encode(msgspec.to_builtins(claims), KEY, algorithm=ALGORITHM)
    return token


def read(token: str) -> Claims:
    """Claims of a token that is genuine and in time; raises BadToken for every other one."""
    if len(token) > LONGEST or not SHAPE.fullmatch(token):
        raise BadToken
    try:
        found = jwt.decode(token, KEY, algorithms=[ALGORITHM], audience=AUDIENCE, options=REQUIRED)
        claims = msgspec.convert(found, Claims)
    except Exception:
        # Whatever a stranger can provoke in a parser (RecursionError, OverflowError …) is a bad token, never a 500.
        raise BadToken from None
    if not is_in_time(claims.exp):
        raise BadToken
    return claims


def is_in_time(expires: int) -> bool:
    """Also false for a token that would outlive the memory of ended sessions."""
    return 0 < expires - clock.now().timestamp() <= LIFETIME_SECONDS + LARGEST_SKEW_SECONDS
