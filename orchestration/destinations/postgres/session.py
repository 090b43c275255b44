"""How we speak to the server: the driver's URL, and what each of our transactions begins with.

Belongs here: settings that change no value, whatever the database, the role or the environment says. Does
not: what is asked or changed.
"""

from typing import Any


def driver_url(url: str) -> str:
    """Return the connection's URL as the driver gets it."""
    # The driver speaks UTF-8, whatever the database, the role, the environment or the URL say. Of a name
    # that stands twice in a URL the last one holds.
    more = "fallback_application_name=sluice&client_encoding=UTF8"
    return f"{url}{'&' if '?' in url else '?'}{more}"


def begin(cursor: Any) -> None:
    """Set what a transaction needs, for as long as it lasts."""
    # Read committed, whatever the role's default: what is read after the lock must be
    # what the delivery before it left, not a picture from before the wait.
    cursor.execute("set transaction isolation level read committed")
    cursor.execute("set local time zone 'UTC'")
    # A row-level policy would hide rows from a delete or a reader in silence; so it fails instead.
    cursor.execute("set local row_security = off")
    # Enough for a million keys: with the usual 4 MB a large delivery's hash join and sort go by disk.
    cursor.execute("set local work_mem = '128MB'")
