"""The feed's channel in Redis: what a process tells, every web process with listeners hears.

Redis is only the quick way. Whatever is lost there is found in the event log two seconds later (`following`), so
telling never raises and never waits long.
"""

from collections.abc import Sequence

import asyncpg
import msgspec

from domains.realtime import messages
from domains.realtime.schemas import ImportMessage, ImportProgress, Message
from lib import log, signing
from lib.redis_client import RedisAway, line

logger = log.get("realtime.feed")

# What `tell` needs of a row of the table `event`.
COLUMNS = messages.COLUMNS
# Publishing knows no database numbers: two installations that share a Redis must not hear each other.
CHANNEL = f"stockroom:feed:{signing.derive_key('feed').hex()[:16]}"
# Of messages that are no event of the log.
NO_EVENT = 0
MOST_AT_ONCE = 200

Line = bytes


async def tell(rows: Sequence[asyncpg.Record]) -> None:
    """Pass on events that were just relayed, rows with COLUMNS. Never raises."""
    lines = make_lines(rows)
    for start in range(0, len(lines), MOST_AT_ONCE):
        if not await _publish(lines[start : start + MOST_AT_ONCE]):
            return


async def tell_import(progress: ImportProgress) -> None:
    """Move the line of an import. Never raises; what Redis does not hear, nobody sees."""
    await _publish([write_line(NO_EVENT, ImportMessage(action="import", message=progress.sentence, import_=progress))])


def make_lines(rows: Sequence[asyncpg.Record]) -> list[Line]:
    """A line for each event that is followed; those of bulk changes are not."""
    return [write_line(event_id, message) for event_id, message in make_messages(rows)]


def make_messages(rows: Sequence[asyncpg.Record]) -> list[tuple[int, Message]]:
    """Event ids and messages; what cannot be read is left out and logged."""
    made = []
    for row in rows:
        if row["bulk"] or row["topic"] not in messages.ACTIONS:
            continue
        try:
            made.append((row["id"], messages.make_message(row)))
        except Exception as error:  # A row that somebody wrote by hand must stop neither the relay nor a page.
            logger.warning("event_not_told", event_id=row["id"], error=type(error).__name__)
    return made


def write_line(event_id: int, message: Message) -> Line:
    """The event's id, a space, and the message as JSON, which holds no newline."""
    return b"%d %b" % (event_id, msgspec.json.encode(message))


def read_line(line: Line) -> tuple[int, str]:
    """The event's id, or NO_EVENT, and the message as JSON. Raises ValueError."""
    event_id, _, message = line.partition(b" ")
    if not message:
        raise ValueError("A line without a message.")
    return int(event_id), message.decode()


async def _publish(lines: Sequence[Line]) -> bool:
    try:
        await line.ask(lambda redis: redis.publish(CHANNEL, b"\n".join(lines)))
    except RedisAway:
        return False
    return True
