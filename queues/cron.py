"""When something is due: the five fields of cron, by the clock of a time zone. Knows no table."""

import functools
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

from croniter import CroniterError, croniter

from lib import clock
from lib.errors import field_error

FIELDS = 5
# No "R" (at random) and no "H" (by a hash): a tick would be another one each time that it is asked for.
WORDS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|l"
FIELD = re.compile(rf"(?:[0-9*,/#-]|{WORDS})+", re.IGNORECASE)
HOUR = 1
# Names that mean another zone on another machine, or none.
OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}


def clean_cron(cron: str) -> str:
    """With single spaces. Raises BadInput that names `cron` for what is none, and for days that never come."""
    fields = cron.split()
    if len(fields) != FIELDS:
        raise field_error("cron", 'expected five fields: minute, hour, day, month and weekday, like "*/10 * * * *"')
    for field in fields:
        if not FIELD.fullmatch(field):
            raise field_error("cron", f"{field[:30]!r} is not understood")
    try:
        croniter(" ".join(fields), clock.now()).get_next(datetime)
    except (CroniterError, ValueError, OverflowError) as error:
        raise field_error("cron", f"is not understood, or never due: {str(error)[:100]}") from None
    return " ".join(fields)


def check_timezone(name: str) -> None:
    """Raises BadInput that names `timezone`."""
    if name not in _zones():
        raise field_error("timezone", "is not a time zone like Europe/Berlin")


def next_time(cron: str, timezone: str, after: datetime) -> datetime:
    """The first tick behind `after`, in UTC. Raises BadInput as the checks do.

    When clocks are put forward, what falls into the missing hour is due at its end. When they are put back, a schedule
    for certain hours is due once, and one for each hour ("*", "*/2") in both.
    """
    check_timezone(timezone)
    cleaned = clean_cron(cron)
    ticks = croniter(cleaned, after.astimezone(ZoneInfo(timezone)))
    found: datetime = ticks.get_next(datetime)
    # The second of two equal readings of the clock.
    while found.fold and not cleaned.split()[HOUR].startswith("*"):
        found = ticks.get_next(datetime)
    return found.astimezone(UTC)


@functools.cache
def _zones() -> frozenset[str]:
    """Of the system, and of the package tzdata where it has none."""
    return frozenset(available_timezones() - OF_THE_MACHINE)
