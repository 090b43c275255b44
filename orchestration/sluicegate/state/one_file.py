"""Records on SQLite are one file that can be copied: what is committed is brought into it.

SQLite writes what is committed beside the file, into its write-ahead log, and folds that back when the last
connection is closed in order, or after a thousand pages. A command that ends closes no connection by itself,
so that a copy of the one file lacked all that was new. Belongs here: folding it back. Does not belong here:
copies of a store that others are writing to (`operations.backup`).
"""

from pathlib import Path

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

# How long the end of a command waits for others that read or write; whoever ends last does it anyway.
_PATIENCE_MS = 2_000


def fold(engine: Engine, *, wait: bool = False) -> None:
    """Bring all that is committed into the one file; does nothing on a server.

    What others have just begun to read keeps a part of it back, and the next call does the rest. It costs
    next to nothing where nothing is new.

    Args:
        engine: the store's.
        wait: whether to wait two seconds for those who read or write, and empty the log.
    """
    if engine.dialect.name != "sqlite":
        return
    file = engine.url.database
    if not file or not Path(f"{file}-wal").exists():
        return
    # A connection outside of the pool, without a transaction: a checkpoint waits for every one's end.
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if wait:
                connection.exec_driver_sql(f"pragma busy_timeout = {_PATIENCE_MS}")
            connection.exec_driver_sql(f"pragma wal_checkpoint({'truncate' if wait else 'passive'})")
            if wait:
                connection.exec_driver_sql("pragma busy_timeout = 30000")
    except DBAPIError:
        # A disk that is full, or a file that is gone, is told by whoever needs it next.
        return
