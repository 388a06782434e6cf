"""The single place that asks for the time."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def to_utc(moment: datetime) -> datetime | None:
    """Without a zone it is UTC already; None for one that lies before or behind all time there."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        return None
