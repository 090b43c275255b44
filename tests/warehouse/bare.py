"""The engine's own connection, for what no stage asks of a warehouse: tables that a test makes or reads."""

from collections.abc import Generator
from contextlib import contextmanager

import duckdb
from sluicegate.warehouse.base import Warehouse


@contextmanager
def bare(warehouse: Warehouse) -> Generator[duckdb.DuckDBPyConnection]:
    """Open the warehouse for a test's own SQL."""
    with warehouse.session() as session:
        yield session.native
