"""Signing in with Google: who a token of Google's names, and which of our users that is.

A token counts only when it was made for this shop: otherwise any other site could sign in here as its own visitors
with what they gave it. Google's word on the e-mail address decides, so that it has to be verified there.
"""

import base64
import re
import secrets
from typing import Annotated, Literal
from urllib.parse import urlencode

import msgspec
from jose import jwt
from msgspec import Meta

from domains.accounts import api_keys, codes, google_keys, limits, sessions, users
from domains.accounts.google_keys import ALGORITHM, GoogleUnreachable
from domains.accounts.rules import LONGEST_NAME, email_problems
from domains.accounts.schemas import Concealed, Device, Profile, TokensOut
from lib import clock, log
from lib.errors import NotAllowed, NotFound, NotSignedIn
from piccolo_conf import execute, transaction
from settings import settings

logger = log.get("accounts.google")

TOKEN_INFO_URL = "https://oauth2.googleapis.com/tokeninfo"  # noqa: S105 - An address, not a secret.
LONGEST_ID_TOKEN = 4096
# RFC 6750's characters, and no more of them than Google uses.
ACCESS_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,2048}")
LARGEST_SKEW_SECONDS = 60
FAILURES = limits.Limit(name="google", address=limits.Window(30, limits.HOUR, failures=True))
# Audience and times are checked by us: the library takes any of several audiences. `at_hash` binds an access token that
# may come along; here none does.
OPTIONS = {"verify_aud": False, "verify_at_hash": False, "leeway": LARGEST_SKEW_SECONDS}

# A name from Google takes the place of one that somebody else may have chosen.
HAND_OVER = """
    UPDATE users SET password = '', email_verified_at = $2, first_name = coalesce(nullif($3, ''), first_name),
                     last_name = coalesce(nullif($4, ''), last_name)
    WHERE id = $1
"""


class GoogleSignInOff(NotFound):
    """Signing in with Google is not offered here."""


class BadGoogleToken(NotSignedIn):
    """Google's token is not valid here, has expired, or names no verified e-mail address."""


class AccountInactive(NotAllowed):
    """This account has been deactivated."""


class GoogleIn(Concealed, frozen=True, forbid_unknown_fields=True):
    """What Google gave the client: an ID token, or an access token with the scope "email"."""

    id_token: str | None = None
    access_token: str | None = None

    def __post_init__(self) -> None:
        if (self.id_token is None) == (self.access_token is None):
            raise ValueError("Give either an id_token or an access_token")


class Header(msgspec.Struct, frozen=True):
    """Of an ID token. `crit` would name extensions without which it must not be understood; we know none."""

    alg: Literal["RS256"]
    kid: Annotated[str, Meta(min_length=1, max_length=200)]
    crit: None = None


class Claims(msgspec.Struct, frozen=True):
    """Of an ID token; `exp` and `iat` are Unix seconds."""

    iss: Literal["accounts.google.com", "https://accounts.google.com"]
    aud: str | Annotated[list[str], Meta(min_length=1, max_length=1)]
    exp: int
    iat: int
    email: str
    email_verified: bool
    given_name: str | None = None
    family_name: str | None = None

    @property
    def audience(self) -> str:
        return self.aud if isinstance(self.aud, str) else self.aud[0]


class TokenInfo(msgspec.Struct, frozen=True):
    """What Google says of an access token, all of it as text."""

    aud: str
    exp: Annotated[str, Meta(pattern=r"^[0-9]{1,12}\Z")]
    email: str
    email_verified: Literal["true"]


class Person(msgspec.Struct, frozen=True):
    """Whom Google vouches for. Raises BadGoogleToken for what is not an address here: it must not find a username."""

    email: str
    first_name: str = ""
    last_name: str = ""

    def __post_init__(self) -> None:
        if any(email_problems(self.email)):
            raise BadGoogleToken


async def sign_in(data: GoogleIn, device: Device) -> TokensOut:
    """Start a session of the user with that e-mail address, who is made when there is none.

    Raises GoogleSignInOff, BadGoogleToken, AccountInactive, GoogleUnreachable and TooManyAttempts.
    """
    if not settings.google_client_ids:
        raise GoogleSignInOff
    counted = await limits.count(FAILURES, address=device.ip)
    try:
        person = await _read_id_token(data.id_token) if data.id_token else await _ask_about(data.access_token or "")
    except GoogleUnreachable:
        await limits.refund(counted)
        raise
    user = await _find_or_make(person)
    await limits.refund(counted)
    await limits.remember_address(user.id, device.ip)
    return await sessions.start_session(user.id, device)


async def _read_id_token(token: str) -> Person:
    key = await google_keys.keys.find(_read_header(token).kid)
    if key is None:
        raise BadGoogleToken
    try:
        claims = msgspec.convert(jwt.decode(token, key, algorithms=[ALGORITHM], options=OPTIONS), Claims)
    except Exception:
        # Whatever a stranger can provoke in a parser (RecursionError, OverflowError …) is a bad token, never a 500.
        raise BadGoogleToken from None
    now = clock.now().timestamp()
    is_in_time = claims.iat - LARGEST_SKEW_SECONDS <= now < claims.exp
    if not is_in_time or not claims.email_verified or claims.audience not in settings.google_client_ids:
        raise BadGoogleToken
    return Person(claims.email, _name(claims.given_name), _name(claims.family_name))


def _read_header(token: str) -> Header:
    """Before anything else: it says which key, and must not say which algorithm (RFC 8725, section 3.1)."""
    if len(token) > LONGEST_ID_TOKEN:
        raise BadGoogleToken
    try:
        header = token.partition(".")[0]
        padded = header + "=" * (-len(header) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars="-_", validate=True), type=Header)
    except Exception:
        raise BadGoogleToken from None


async def _ask_about(token: str) -> Person:
    """Only Google can read its access tokens."""
    if not ACCESS_TOKEN.fullmatch(token):
        raise BadGoogleToken
    reply = await google_keys.ask(f"{TOKEN_INFO_URL}?{urlencode({'access_token': token})}")
    try:
        info = msgspec.json.decode(reply.body, type=TokenInfo)
    except msgspec.DecodeError:
        raise BadGoogleToken from None
    if int(info.exp) <= clock.now().timestamp() or info.aud not in settings.google_client_ids:
        raise BadGoogleToken
    return Person(info.email)


async def _find_or_make(person: Person) -> Profile:
    if (found := await users.find_user(person.email)) is None:
        try:
            return await _make(person)
        except users.EmailTaken:
            # By a request at the same time.
            found = await users.get_user(person.email)
    if not found.active:
        raise AccountInactive
    if found.email_verified_at is None:
        await _hand_over(person)
    return found


async def _make(person: Person) -> Profile:
    """A customer with a password that nobody knows; a reset by mail gives them one of their own."""
    return await users.create_user(
        email=person.email,
        password=secrets.token_urlsafe(48),
        first_name=person.first_name,
        last_name=person.last_name,
        is_verified=True,
    )


async def _hand_over(person: Person) -> None:
    """An account whose address nobody had proven becomes the account of the one who now has.

    Somebody else may have signed up with this address, waiting for its owner to come: neither their password nor
    anything else that they may have opened works from here on.
    """
    async with transaction():
        user = await codes.lock_by_email(person.email)
        if user is None or user.email_verified_at is not None:
            return
        await execute(HAND_OVER, user.id, clock.now(), person.first_name, person.last_name)
        await api_keys.revoke_keys(user.id)
        await codes.end(user.id)
        await sessions.end_sessions(user.id)
    logger.warning("unproven_account_handed_over", user_id=user.id)


def _name(text: str | None) -> str:
    """Names are for show: one that we would not take is left out."""
    name = (text or "").strip()[:LONGEST_NAME]
    return name if name.isprintable() else ""
