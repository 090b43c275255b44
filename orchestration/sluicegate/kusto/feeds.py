"""The tables that exports to Azure Data Explorer feed, with the columns that a delivery makes of each field.

Belongs here: from a model's columns, as its SQL was bound, to a table's. Does not belong here: what may be
said of such a table (`rules`).
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sluicegate.compute.engine import open_engine
from sluicegate.compute.exact_parquet import write_exact
from sluicegate.compute.sql import quoted
from sluicegate.delivery.export_files.exports import Export
from sluicegate.destinations.adx.types import columns_of
from sluicegate.destinations.base import Mode
from sluicegate.destinations.errors import DeliveryError
from sluicegate.kusto.objects import Fed

ADX = "adx"


def feeds_of(exports: Iterable[Export], columns: Mapping[str, Sequence[tuple[str, str]]]) -> list[Fed]:
    """Return the tables that exports feed; `columns` is {model: (column, SQL type)}, as its SQL was bound.

    What a destination does not take is told by the export's own rules, so such a table is not there.
    """
    found: list[Fed] = []
    for export in exports:
        destination = export.spec.destination
        if destination.type != ADX or export.spec.model not in columns:
            continue
        fields = [(export.field(name), kind) for name, kind in columns[export.spec.model]]
        try:
            made = columns_of(_schema(fields))
        except DeliveryError:
            continue
        found.append(
            Fed(
                export.place[2], export.name, destination.connection, export.stage,
                [(column.name, column.type) for column in made], export.file.name,
                [(column.name, column.remark) for column in made if column.remark],
                export.spec.mode == Mode.SNAPSHOT,
            )
        )  # fmt: skip
    return found


def _schema(fields: Sequence[tuple[str, str]]) -> Any:
    """The Arrow schema of a shard of these fields: of one without rows, written as they all are."""
    listed = ", ".join(f"cast(null as {kind}) as {quoted(name)}" for name, kind in fields)
    with TemporaryDirectory(prefix="sluice_kusto_") as folder, open_engine(threads=1) as engine:
        file = Path(folder, "shard.parquet")
        write_exact(engine, f"select {listed} limit 0", file)
        return import_module("pyarrow.parquet").read_schema(file)
