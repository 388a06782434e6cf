"""Google's public keys, by which its ID tokens are checked: fetched when needed, kept as long as Google says."""

import asyncio
import re
import time
from collections.abc import Mapping

import msgspec
from jose import jwk
from jose.backends.base import Key

from lib import egress, log
from lib.dialling import Rules
from lib.egress import Reply
from lib.egress_errors import EgressError
from lib.errors import Unavailable

logger = log.get("accounts.google_keys")

URL = "https://www.googleapis.com/oauth2/v3/certs"
RULES = Rules()
DEADLINE_SECONDS = 5.0
ALGORITHM = "RS256"
MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:[\s,]|$)", re.IGNORECASE)
SHORTEST_SECONDS, USUAL_SECONDS, LONGEST_SECONDS = 60, 5 * 60, 24 * 60 * 60
# Tokens with made-up key ids cause no more requests than this, nor does a Google that is down.
SECONDS_BETWEEN_UNKNOWN = 60
SECONDS_BETWEEN_FAILURES = 5


class GoogleUnreachable(Unavailable):
    """Google does not answer at the moment. Try again later, or sign in with your password."""


class PublicKey(msgspec.Struct, frozen=True):
    """One of a JSON Web Key Set; what else stands there is not ours to judge."""

    kid: str = ""
    kty: str = ""
    use: str = "sig"
    n: str = ""
    e: str = ""


class KeySet(msgspec.Struct, frozen=True):
    keys: list[PublicKey]


class Keys:
    """What this process knows of Google's keys, by their ids. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self.known: dict[str, Key] = {}
        self.fresh_until = float("-inf")
        self.asked_at = float("-inf")
        self.lock = asyncio.Lock()

    async def find(self, kid: str) -> Key | None:
        """None when Google has no such key; raises GoogleUnreachable."""
        if self._lacks(kid):
            # One asks; the others wait, and find what it got.
            async with self.lock:
                if self._lacks(kid) and self._may_ask():
                    await self._renew()
        if not self._is_fresh():
            raise GoogleUnreachable
        return self.known.get(kid)

    def _lacks(self, kid: str) -> bool:
        return kid not in self.known or not self._is_fresh()

    def _is_fresh(self) -> bool:
        return time.monotonic() < self.fresh_until

    def _may_ask(self) -> bool:
        pause = SECONDS_BETWEEN_UNKNOWN if self._is_fresh() else SECONDS_BETWEEN_FAILURES
        return time.monotonic() - self.asked_at >= pause

    async def _renew(self) -> None:
        self.asked_at = time.monotonic()
        reply = await ask(URL)
        try:
            self.known = _read(reply)
        except Exception:
            logger.exception("google_keys_unreadable")
            raise GoogleUnreachable from None
        self.fresh_until = self.asked_at + _lifetime(reply.headers)
        logger.info("google_keys_renewed", count=len(self.known))


async def ask(url: str) -> Reply:
    """A reply of Google that is about the question, good or bad; raises GoogleUnreachable for all others."""
    try:
        reply = await egress.get(url, rules=RULES, deadline=DEADLINE_SECONDS)
    except EgressError as error:
        logger.warning("google_unreachable", failure=error.code)
        raise GoogleUnreachable from None
    if reply.status not in {200, 400}:
        logger.warning("google_unreachable", status=reply.status)
        raise GoogleUnreachable
    return reply


def _read(reply: Reply) -> dict[str, Key]:
    """Raises whatever the parsers do, also for an answer without keys."""
    found = msgspec.json.decode(reply.body, type=KeySet).keys
    usable = [key for key in found if key.kty == "RSA" and key.use == "sig" and key.kid]
    keys = {key.kid: jwk.construct({"kty": "RSA", "n": key.n, "e": key.e}, ALGORITHM) for key in usable}
    if not keys:
        raise ValueError("a key set without keys")
    return keys


def _lifetime(headers: Mapping[str, str]) -> int:
    """Seconds, from what caches on the way are told; within bounds, whatever they are told."""
    if not (found := MAX_AGE.search(headers.get("cache-control", ""))):
        return USUAL_SECONDS
    age = headers.get("age", "")
    passed = int(age) if re.fullmatch("[0-9]{1,9}", age) else 0
    return min(max(int(found[1]) - passed, SHORTEST_SECONDS), LONGEST_SECONDS)


keys = Keys()
