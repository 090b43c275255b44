"""Rows for a warehouse: written by the local engine, as conversion writes them."""

from pathlib import Path

from sluicegate.compute.engine import open_engine
from sluicegate.compute.sql import literal
from sluicegate.warehouse.base import Rows, Session, Version

RAW, BESIDE = "raw.orders", "quarantine.orders"
COLUMNS = {"item": "INTEGER", "note": "VARCHAR", "_partition_key": "VARCHAR", "_drop": "INTEGER"}
MON, TUE = "2024-01-01", "2024-01-02"


def parquet(folder: Path, query: str, name: str = "rows") -> Path:
    """Write the rows of a query."""
    file = folder / f"{name}.parquet"
    with open_engine() as engine:
        engine.execute(f"copy ({query}) to {literal(str(file))} (format parquet)")
    return file


def load(session: Session, folder: Path, key: str, rows: int, version: str, beside: int = 0) -> None:
    """Put `rows` rows in the place of a partition's, and as many as `beside` beside them."""
    made: list[Rows] = []
    for relation, count in ((RAW, rows), (BESIDE, beside)):
        query = f"select range::integer as item, '{version}' as note from range({count})"
        files = [parquet(folder, query, relation)] if count else []
        fixed = {"_partition_key": key, "_drop": 1}
        made.append(Rows(relation, COLUMNS, ("_partition_key", key), files, fixed))
    session.replace(made, Version(RAW, key, version))


def held(session: Session) -> dict[str, tuple[str, int, int]]:
    """Return {partition: (version, rows, rows beside)}, having made sure that rows are of that version."""
    found: dict[str, tuple[str, int, int]] = {}
    for (_, key), version in sorted(session.versions([RAW]).items()):
        counts: list[int] = []
        for relation in (RAW, BESIDE):
            where = f"from {relation} where _partition_key = '{key}'"
            [(count, others)] = session.query(
                f"select count(*), count(*) filter (note <> '{version}') {where}"
            )
            assert others == 0, (key, version)
            counts.append(count)
        found[key] = (version, counts[0], counts[1])
    return found
