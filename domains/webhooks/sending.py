"""One signed request to an endpoint, and what came of it. Nothing a receiver does raises an error here."""

import email.utils
import time
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus

import msgspec

from domains.webhooks.signing import sign
from lib import clock, egress
from lib.egress_errors import EgressError, Failure

EXCERPT_BYTES = 4 * 1024
LONGEST_RETRY_AFTER = 7 * 24 * 3600


class Unsent(StrEnum):
    """Why there is no reply where that is our doing; beside lib.egress_errors.Failure in the log of attempts."""

    INTERRUPTED = "interrupted"
    NO_SECRET = "no_secret"  # noqa: S105 - Tells that there is none.
    INTERNAL = "internal"


REASONS = {
    Unsent.INTERRUPTED: "The attempt was interrupted.",
    Unsent.NO_SECRET: "The secret of this endpoint cannot be read any more. Make a new one.",
    Unsent.INTERNAL: "Something went wrong on our side. Please tell an administrator.",
}


class Target(msgspec.Struct, frozen=True):
    """`keys` are those of every secret that is live."""

    endpoint_id: int
    url: str
    keys: tuple[bytes, ...]


class Outcome(msgspec.Struct, frozen=True):
    """Either a status code, or why there was no reply. `retry_after` is in seconds."""

    status_code: int | None
    error_class: str | None
    milliseconds: int
    excerpt: str = ""
    retry_after: float | None = None

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300

    @property
    def is_gone(self) -> bool:
        return self.status_code == HTTPStatus.GONE

    @property
    def asks_for_rest(self) -> bool:
        """The receiver has too much to do."""
        return self.status_code == HTTPStatus.TOO_MANY_REQUESTS or self.error_class == Failure.TIMED_OUT


def webhook_id_of(event_id: int) -> str:
    """The same at every attempt, and for every endpoint: receivers know by it what they have seen."""
    return f"msg_{event_id}"


async def send(target: Target, webhook_id: str, body: bytes) -> Outcome:
    """Within egress.DEADLINE_SECONDS. What cannot be signed is not sent."""
    if not target.keys:
        return Outcome(None, Unsent.NO_SECRET, 0)
    signed = sign(webhook_id, int(clock.now().timestamp()), body, target.keys)
    started = time.perf_counter()
    try:
        reply = await egress.post(target.url, body, {"Content-Type": "application/json", **signed})
    except EgressError as error:
        return Outcome(None, error.code.value, round((time.perf_counter() - started) * 1000))
    return Outcome(reply.status, None, reply.milliseconds, excerpt_of(reply.body), _retry_after(reply.headers))


def excerpt_of(body: bytes) -> str:
    """At most 4 KiB, of whatever bytes; PostgreSQL stores no NUL."""
    text = body[:EXCERPT_BYTES].decode("utf-8", "replace").replace("\0", "")
    # What stands for a byte that is no text is three bytes long itself.
    return text.encode()[:EXCERPT_BYTES].decode("utf-8", "ignore")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """RFC 9110, section 10.2.3: seconds, or a date."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        until = email.utils.parsedate_to_datetime(text)
        wait = until.timestamp() - clock.now().timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER)
