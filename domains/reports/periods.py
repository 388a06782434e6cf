"""The days that the dashboard looks back on, all in UTC."""

from datetime import UTC, date, datetime, time, timedelta

from lib import clock

DAYS = 30
# Kept so long: numbers that somebody looks at change every few seconds.
SECONDS = 5


def last_days() -> list[date]:
    """The last 30, oldest first; the last one is today."""
    today = clock.now().date()
    return [today - timedelta(days=back) for back in reversed(range(DAYS))]


def beginning() -> datetime:
    """Of the first of these days."""
    return datetime.combine(last_days()[0], time(), UTC)
