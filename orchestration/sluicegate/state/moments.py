"""Times as the records keep them: in UTC, with their zone, which SQLite forgets."""

from datetime import UTC, datetime


def utc(moment: datetime) -> datetime:
    """Return a time that was read, with its zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def now() -> datetime:
    """Return the time, to be recorded."""
    return datetime.now(UTC)
