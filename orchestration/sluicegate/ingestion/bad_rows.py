"""The rows of a drop that break its contract: found by number, told apart by rule, kept as Parquet.

They stay in the engine: of a large drop there may be millions, and only those that are shown become objects.
Belongs here: which rows are bad, where they stand, and what is said of each. Does not belong here: how many a
contract allows (`convert`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.compute.sql import literal, literals
from sluicegate.ingestion.formats.base import KEPT_TEXT, Reader
from sluicegate.ingestion.formats.scratch import placed_rows, write_parquet
from sluicegate.ingestion.judgement import BREAKS, Judgement, RowRule
from sluicegate.ingestion.masking import REDACTED

if TYPE_CHECKING:
    import duckdb


# A row's file and line.
Place = tuple[str, int]


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that breaks the contract: where it stands, which column and rule first, all rules, its text.

    `column` is the contract's name for it, empty for a rule of the whole row. `raw` is masked.
    """

    file: str
    line: int
    column: str
    rule: str
    rules: tuple[str, ...]
    raw: str


@dataclass(frozen=True)
class Quarantined:
    """Rows in quarantine, by file and line: Parquet files of the columns of their table, as many rows."""

    files: tuple[Path, ...] = ()
    rows: int = 0

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[QuarantinedRow]:
        import pyarrow.parquet as pq

        for file in self.files:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(1000):
                    for row in batch.to_pylist():
                        yield QuarantinedRow(
                            row["file"], row["line"], row["column_name"], row["rule"], tuple(row["rules"]),
                            row["raw"],
                        )  # fmt: skip

    def __add__(self, other: "Quarantined") -> "Quarantined":
        return Quarantined(self.files + other.files, self.rows + other.rows)

    @staticmethod
    def of(rows: Sequence[QuarantinedRow], file: Path) -> "Quarantined":
        """Write rows to a file, which is new."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(
            {
                "file": pa.array([row.file for row in rows], pa.string()),
                "line": pa.array([row.line for row in rows], pa.int64()),
                "column_name": pa.array([row.column for row in rows], pa.string()),
                "rule": pa.array([row.rule for row in rows], pa.string()),
                "rules": pa.array([list(row.rules) for row in rows], pa.list_(pa.string())),
                "raw": pa.array([row.raw for row in rows], pa.string()),
            }
        )
        pq.write_table(table, file)
        return Quarantined((file,), len(rows))


class BadRows:
    """The rows of a reader that break a rule, in the engine's table `bad_rows`; `judged` says how many."""

    def __init__(
        self,
        connection: "duckdb.DuckDBPyConnection",
        judgement: Judgement,
        reader: Reader,
        rows: str,
        twice: Mapping[tuple[str, ...], str],
        scratch: Path,
    ) -> None:
        """Find them: only rows that are marked are judged once more, and read a second time.

        Args:
            connection: the engine, which keeps the order of rows.
            judgement: the contract's rules.
            reader: what reads the rows.
            rows: SQL, to stand behind `from`, of the converted rows, in the reader's order.
            twice: {key that stands twice: SQL that is true where that of a converted row does}.
            scratch: a folder for files of its own.
        """
        self._connection = connection
        self._judgement = judgement
        self._reader = reader
        self._scratch = scratch
        header = judgement.repeated_header
        rules = [*([header] if header is not None else []), *judgement.rules]
        for number, key in enumerate(twice):
            said = f"key ({', '.join(key)}) stands twice"
            rules.append(RowRule(key[0], ", ".join(key), said, f"twice{number}"))
        # What is said of a row is said once.
        alike: dict[tuple[str, str], list[RowRule]] = {}
        for rule in rules:
            alike.setdefault((rule.column, _words(rule)), []).append(rule)
        self._rules = [some[0] for some in alike.values()]
        flags = "".join(f", {sql} as twice{number}" for number, sql in enumerate(twice.values()))
        marks = " or ".join([BREAKS, *(f"twice{number}" for number in range(len(twice)))])
        connection.execute(
            "create or replace temp table marked as select * from ("
            f"select row_number() over () as n, {BREAKS}{flags} from {rows}) where {marks}"
        )
        [(self.judged,)] = connection.execute("select count(*) from marked").fetchall()
        cases = ", ".join(
            f"case when {' or '.join(f'({rule.broken})' for rule in some)} then {number} end"
            for number, some in enumerate(alike.values(), 1)
        )
        broken = f"list_filter([{cases}], lambda one: one is not null)"
        if header is not None:  # which breaks every other rule by the way
            broken = f"case when {header.broken} then [1] else {broken} end"
        columns = "file varchar, line bigint, broken integer[], raw varchar"
        connection.execute(f"create or replace temp table bad_rows ({columns})")
        if self.judged:
            placed = placed_rows(connection, reader, judgement.wanted, scratch, "marked")
            connection.execute(
                f"insert into bad_rows select _file, _line, {broken}, left({judgement.raw()}, {KEPT_TEXT})"
                f" from ({placed}) join marked on marked.n = _n"
            )

    def of_all(self, rows: int) -> list[RowRule]:
        """Return the rules that as many rows break."""
        counted = self._connection.execute(
            "select rule from (select unnest(broken) as rule from bad_rows) group by rule"
            f" having count(*) >= {rows} order by rule"
        ).fetchall()
        return [self._rules[number - 1] for (number,) in counted]

    def written(self, at_most: int, without: Collection[Place]) -> tuple[Quarantined, frozenset[Place]]:
        """Write the first of them, and of those that could not be split, by file and line.

        Those at the places `without` are left out; they are returned.
        """
        words, columns = literals(map(_words, self._rules)), literals(rule.column for rule in self._rules)
        rows = (
            f"select file, line, ({columns})[broken[1]] as column_name, ({words})[broken[1]] as rule,"
            f" list_select({words}, broken) as rules, raw from bad_rows"
        )
        if unsplit := self._unsplit(at_most):
            rows += f" union all select v0, v1, '', v2, [v2], v3 from {unsplit}"
        left_out = frozenset[Place]()
        if without:
            places = ", ".join(f"({literal(file)}, {line})" for file, line in without)
            found = self._connection.execute(
                f"select file, line from ({rows}) where (file, line) in ({places})"
            ).fetchall()
            left_out = frozenset((file, line) for file, line in found)
            rows = f"select * from ({rows}) where (file, line) not in ({places})"
        file = self._scratch / "quarantined.parquet"
        [(count,)] = self._connection.execute(
            f"copy (select * from ({rows}) order by file, line limit {max(at_most, 0)})"
            f" to {literal(str(file))} (format parquet)"
        ).fetchall()
        return Quarantined((file,) if count else (), count), left_out

    def _unsplit(self, at_most: int) -> str:
        """Return SQL of rows without columns; empty if there are none.

        Where a column is classified, nobody can tell which part of them it is.
        """
        if not self._reader.broken_count():
            return ""
        import pyarrow as pa

        file, hides = self._scratch / "unsplit.parquet", self._judgement.hides
        rows = (
            (row.file, row.line, row.rule, REDACTED if hides else row.raw[:KEPT_TEXT])
            for row in self._reader.broken_rows(at_most)
        )
        write_parquet(file, [pa.string(), pa.int64(), pa.string(), pa.string()], rows)
        return f"read_parquet({literal(str(file))})"


def _words(rule: RowRule) -> str:
    if not rule.column or rule.words.startswith("key ("):
        return rule.words
    return f"column `{rule.header}` {rule.words}"
