"""Shopify's Admin GraphQL API: one question at a time, never faster than the shop allows.

Each query costs points, and a shop's bucket of points fills by so many a second. Every reply tells how it stands, so
that we wait until the next query fits instead of being refused. Source: shopify.dev, "GraphQL Admin API rate limits".
"""

import asyncio
import time
from typing import Any, TypeVar

import msgspec

from domains.shopify.access import Token, has_access, make_request
from lib import egress, log
from lib.dialling import Rules
from lib.egress import Reply
from lib.egress_errors import BadReply, BadUrl, BlockedAddress, EgressError, TlsFailed
from lib.errors import Unavailable
from settings import settings

logger = log.get("shopify")
T = TypeVar("T")

DEADLINE_SECONDS = 60.0
# A page of variants repeats the description of their product for each of them.
LARGEST_REPLY_BYTES = 32 * 1024 * 1024
MOST_TRIES = 8
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# Points are told in whole numbers.
SPARE_SECONDS = 0.1
LONGEST_MESSAGE = 300
# No query may cost more.
DEAREST_QUERY = 1000
# What time does not mend.
FINAL_ERRORS = (BadUrl, BlockedAddress, TlsFailed)
TOO_MANY_REQUESTS = 429
FIRST_SERVER_ERROR = 500
OK = 200
REFUSALS = {
    401: "Shopify does not accept our token (401): SHOPIFY_ACCESS_TOKEN, or that of SHOPIFY_CLIENT_ID.",
    402: "Shopify has frozen the shop (402).",
    403: "Shopify refuses the app access to the shop (403).",
    404: "There is no such shop, or not this version of its API (404): see SHOPIFY_SHOP and SHOPIFY_API_VERSION.",
    423: "Shopify has locked the shop (423).",
}
AGAIN_CODES = {"INTERNAL_SERVER_ERROR", "TIMEOUT"}


class ShopNotConfigured(Unavailable):
    """SHOPIFY_SHOP and SHOPIFY_CLIENT_ID (or SHOPIFY_ACCESS_TOKEN) are not set: the shop cannot be asked."""


class ShopUnavailable(Unavailable):
    """The shop does not answer."""


class ShopRefused(Unavailable):
    """The shop refuses to answer."""


class Throttle(msgspec.Struct, frozen=True, rename="camel"):
    """The bucket, in points; `restore_rate` is points a second."""

    maximum_available: float = 1000
    currently_available: float = 1000
    restore_rate: float = 50


class Cost(msgspec.Struct, frozen=True, rename="camel"):
    requested_query_cost: float | None = None
    throttle_status: Throttle = Throttle()


class Extensions(msgspec.Struct, frozen=True):
    cost: Cost | None = None


class Code(msgspec.Struct, frozen=True):
    code: str = ""


class Trouble(msgspec.Struct, frozen=True):
    message: str = ""
    extensions: Code | None = None

    @property
    def code(self) -> str:
        return self.extensions.code if self.extensions else ""


class Answer(msgspec.Struct, frozen=True):
    """`errors` is a sentence instead of a list where the request did not get as far as GraphQL."""

    data: dict[str, Any] | None = None
    errors: list[Trouble] | str | None = None
    extensions: Extensions | None = None


class Again(Exception):
    """The same may be asked again after `seconds`; without them, after longer and longer."""

    def __init__(self, sentence: str, seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Bucket:
    """What is left of the shop's points, as far as we were told."""

    def __init__(self) -> None:
        self.status = Throttle()
        self.told_at = time.monotonic()
        self.costs: dict[str, float] = {}

    def note(self, query: str, cost: Cost) -> None:
        self.status, self.told_at = cost.throttle_status, time.monotonic()
        if cost.requested_query_cost is not None:
            self.costs[query] = cost.requested_query_cost

    def seconds_until(self, query: str) -> float:
        """Until what the query cost the last time is there; one that was never asked may cost all that is allowed."""
        restored = (time.monotonic() - self.told_at) * self.status.restore_rate
        available = min(self.status.maximum_available, self.status.currently_available + restored)
        missing = min(self.costs.get(query, DEAREST_QUERY), self.status.maximum_available) - available
        return missing / max(self.status.restore_rate, 1) + SPARE_SECONDS if missing > 0 else 0.0


class AdminApi:
    """The shop of the settings. Inside `lib.egress.opened()`. Raises ShopNotConfigured where there is none."""

    def __init__(self) -> None:
        self.url = find_url()
        self.bucket = Bucket()
        # Whoever runs Stockroom named this address, not a stranger; it may well be a server of their own.
        self.rules = Rules(allow_http=True, allow_private=True) if settings.shopify_api_url else egress.CONFIGURED
        fixed = settings.shopify_access_token
        self.token = Token(fixed) if fixed else None
        self.token_ends_at = float("inf") if fixed else 0.0

    async def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data of the answer. What passes is waited for; else it raises ShopUnavailable or ShopRefused."""
        for turn in range(1, MOST_TRIES):
            try:
                return await self._ask_once(query, variables)
            except Again as again:
                logger.info("shopify_asked_again", turn=turn, why=str(again))
                seconds = again.seconds
            await pause(FIRST_PAUSE_SECONDS * 2 ** (turn - 1) if seconds is None else seconds)
        try:
            return await self._ask_once(query, variables)
        except Again as again:
            raise ShopUnavailable(f"{again} It was asked {MOST_TRIES} times.") from None

    async def _ask_once(self, query: str, variables: dict[str, object]) -> dict[str, Any]:
        """Raises Again for what passes."""
        await pause(self.bucket.seconds_until(query))
        token = await self._find_token()
        headers = {"Content-Type": "application/json", "X-Shopify-Access-Token": token.access_token}
        reply = await self._send(self.url, msgspec.json.encode({"query": query, "variables": variables}), headers)
        answer = _read(reply)
        if answer.extensions and answer.extensions.cost:
            self.bucket.note(query, answer.extensions.cost)
        if answer.errors:
            self._refuse(answer.errors, query)
        if answer.data is None:
            raise ShopRefused("The shop's answer holds no data.")
        return answer.data

    async def _find_token(self) -> Token:
        if self.token is None or time.monotonic() >= self.token_ends_at:
            asked = make_request(settings, self.url)
            self.token = _read_token(await self._send(asked.url, asked.body, asked.headers))
            self.token_ends_at = time.monotonic() + self.token.lasts
        return self.token

    async def _send(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        try:
            return await egress.post(
                url, body, headers, rules=self.rules, deadline=DEADLINE_SECONDS, largest=LARGEST_REPLY_BYTES
            )
        except FINAL_ERRORS as error:
            raise ShopUnavailable(f"The shop cannot be asked: {error}") from None
        except EgressError as error:
            raise Again(f"The shop does not answer: {error}") from None

    def _refuse(self, errors: list[Trouble] | str, query: str) -> None:
        """Raises Again or ShopRefused."""
        if isinstance(errors, str):
            raise ShopRefused(f"The shop refuses: {errors[:LONGEST_MESSAGE]}")
        codes = {error.code for error in errors}
        if "THROTTLED" in codes or any(error.message == "Throttled" for error in errors):
            raise Again("The shop has been asked too much.", max(self.bucket.seconds_until(query), FIRST_PAUSE_SECONDS))
        if codes & AGAIN_CODES:
            raise Again("The shop's server failed.")
        raise ShopRefused(f"The shop refuses: {'; '.join(error.message for error in errors)[:LONGEST_MESSAGE]}")


async def pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(min(seconds, LONGEST_PAUSE_SECONDS))


def find_url() -> str:
    """Where the shop of the settings is asked. Raises ShopNotConfigured."""
    if not has_access(settings) or not (settings.shopify_shop or settings.shopify_api_url):
        raise ShopNotConfigured
    version = settings.shopify_api_version
    return settings.shopify_api_url or f"https://{settings.shopify_shop}/admin/api/{version}/graphql.json"


def _read(reply: Reply) -> Answer:
    """Raises Again for what passes, and ShopRefused that says why."""
    _check_passing(reply)
    if reply.status != OK:
        unexpected = f"The shop answers with {reply.status}: is SHOPIFY_SHOP its own name, like x.myshopify.com?"
        raise ShopRefused(REFUSALS.get(reply.status, unexpected))
    if len(reply.body) >= LARGEST_REPLY_BYTES:
        raise ShopRefused(f"The shop's answer is larger than {LARGEST_REPLY_BYTES >> 20} MiB.")
    return _decode(reply, Answer)


def _read_token(reply: Reply) -> Token:
    """The same for a token."""
    _check_passing(reply)
    if reply.status != OK:
        raise ShopRefused(
            f"Shopify gives no token for SHOPIFY_CLIENT_ID and the first SHOPIFY_WEBHOOK_SECRET ({reply.status}): "
            "are they those of one app, and is it installed in the shop?"
        )
    return _decode(reply, Token)


def _check_passing(reply: Reply) -> None:
    if reply.status == TOO_MANY_REQUESTS:
        raise Again("The shop has been asked too much (429).", _retry_after(reply))
    if reply.status >= FIRST_SERVER_ERROR:
        raise Again(f"The shop's server failed ({reply.status}).", _retry_after(reply))


def _decode(reply: Reply, wanted: type[T]) -> T:
    try:
        return msgspec.json.decode(reply.body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Again(f"The shop's answer cannot be read: {BadReply()}") from None


def _retry_after(reply: Reply) -> float | None:
    """In seconds; None where none are named."""
    try:
        return max(0.0, min(float(reply.headers.get("retry-after", "")), LONGEST_PAUSE_SECONDS))
    except ValueError:
        return None
