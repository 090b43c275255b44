"""How the state store connects: by which driver, and with a password that may be renewed meanwhile.

Belongs here: that. Does not belong here: what a connection is told once it is there (`store`).
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa


def with_driver(url: str) -> sa.URL:
    """Return a URL with the driver that we lock, where it names none."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql" and "+" not in parsed.drivername:
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def connecting(url: str, renewed: Callable[[str], str | None]) -> Callable[..., Any]:
    """Return what opens a connection for SQLAlchemy (`do_connect`), once more where it is another now.

    Args:
        url: as it was read.
        renewed: returns the URL as it is now, None where it is the one that it is given.
    """
    used = url

    def connect(dialect: Any, _record: object, _args: object, options: dict[str, Any]) -> Any:
        nonlocal used

        def opened() -> Any:
            args, said = dialect.create_connect_args(with_driver(used))
            return dialect.connect(*args, **{**options, **said})

        try:
            return opened()
        except dialect.loaded_dbapi.Error:
            new = renewed(used)
            # Another database is no renewal: half of the records would be there.
            if new is None or _database(new) != _database(used):
                raise
            used = new
        return opened()

    return connect


def _database(url: str) -> sa.URL:
    return with_driver(url).set(username="", password="")
