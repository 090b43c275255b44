"""The rows of a drop -> one Parquet file of typed rows that keep the contract, and the rows that do not.

One pass of the engine over the files, which marks the rows that break a rule. Where there are any `bad_rows`
looks for their places and texts, so that a sound drop pays for neither.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sluicegate.compute.exact_parquet import exact_files, write_exact_at_once
from sluicegate.compute.sql import literal, quoted
from sluicegate.contracts.model import SourceContract
from sluicegate.contracts.shape import Policy
from sluicegate.ingestion.bad_rows import BadRows, Place, Quarantined
from sluicegate.ingestion.formats.base import TEXT, Reader
from sluicegate.ingestion.judgement import BREAKS, Judgement
from sluicegate.ingestion.refusal import DropRefused

if TYPE_CHECKING:
    import duckdb

# Of a drop that is refused this many bad rows are kept to be looked at; of one that is taken, all.
KEPT_OF_REFUSED = 1000
_SHOWN = 5
# Of 8 bytes each: more than these are sorted in parts.
_HASHES_AT_ONCE, _HASHES_IN_A_BATCH = 1 << 25, 1 << 17


@dataclass(frozen=True)
class Converted:
    """What a conversion left: `rows` is the Parquet file, `read` = `loaded` + `quarantined` rows.

    `not_bad` are places for which there is a mended row, and that are in order themselves.
    """

    rows: Path
    read: int
    loaded: int
    quarantined: Quarantined
    not_bad: frozenset[Place] = frozenset()


class TooManyBadRows(DropRefused):
    """More rows break the contract than it allows; `quarantined` are the first of them."""

    def __init__(self, file: str, rules: Sequence[str], quarantined: Quarantined) -> None:
        super().__init__(file, rules)
        self.quarantined = quarantined


def convert(
    connection: "duckdb.DuckDBPyConnection",
    judgement: Judgement,
    reader: Reader,
    label: str,
    scratch: Path,
    mended: frozenset[Place] = frozenset(),
) -> Converted:
    """Convert what `reader` reads; `label` names the drop in errors.

    `mended` are the places of bad rows that are replaced: they count neither as loaded nor as quarantined.

    Raises:
        TooManyBadRows: more rows than the contract's limit break it.
        DropRefused: the drop as a whole breaks it: too few rows, or too many.
    """
    contract = judgement.contract
    scratch.mkdir(exist_ok=True)
    typed = scratch / "typed.parquet"
    write_exact_at_once(connection, judgement.converted(reader.rows(judgement.wanted)), typed)
    held = exact_files(connection, [typed])
    counted = connection.execute(f"select count(*), count(*) filter (where {BREAKS}) from {held}").fetchone()
    assert counted is not None
    reader.check(counted[0])
    broken = reader.broken_count()
    twice = [key for key in judgement.keys if any_twice(connection, [typed], key)]
    read = counted[0] + broken
    _check_row_count(contract, label, read)
    if not counted[1] and not broken and not twice and not mended:
        return Converted(typed, read, read, Quarantined())
    repeated = {key: f"coalesce(({_key(key)}) in ({_repeated(key, held)}), false)" for key in twice}
    bad_rows = BadRows(connection, judgement, reader, held, repeated, scratch)
    bad = bad_rows.judged + broken
    most = KEPT_OF_REFUSED if contract.limit.exceeded(bad, read) and not mended else bad
    quarantined, replaced = bad_rows.written(most, mended)
    left = bad - len(replaced)
    if contract.limit.exceeded(left, read):
        raise TooManyBadRows(label, _told(bad_rows, judgement, quarantined, left, read), quarantined)
    if bad_rows.judged:
        keep = " and ".join([f"not {BREAKS}", *(f"not {sql}" for sql in repeated.values())])
        names = ", ".join(quoted(name) for name in _names(judgement))
        whole, typed = typed, scratch / "clean.parquet"
        write_exact_at_once(connection, f"select {names}, {BREAKS} from {held} where {keep}", typed)
        whole.unlink()
    [(loaded,)] = connection.execute(f"select count(*) from read_parquet({literal(str(typed))})").fetchall()
    if loaded + bad != read or len(quarantined) != left:
        raise AssertionError(
            f"{label}: {read} rows read, {loaded} kept and {len(quarantined)} not: some are lost"
        )
    # What is fine would stand in the table twice.
    return Converted(typed, read, loaded, quarantined, mended - replaced)


def check_limit(contract: SourceContract, label: str, read: int, quarantined: Quarantined) -> None:
    """Hold all that a drop has in quarantine against the contract's limit, mended rows too.

    Raises:
        TooManyBadRows: it is more.
    """
    if contract.limit.exceeded(len(quarantined), read):
        told = [
            f"{row.file} line {row.line}: {'; '.join(row.rules)}"
            for row in itertools.islice(quarantined, _SHOWN)
        ]
        raise TooManyBadRows(
            label,
            [*told, f"{len(quarantined)} of {read} rows break the contract, which allows {contract.limit}"],
            quarantined,
        )


def _told(bad_rows: BadRows, judgement: Judgement, rows: Quarantined, bad: int, read: int) -> list[str]:
    """Say what is wrong with a drop: the first rows, how many more, and whom to ask."""
    contract = judgement.contract
    several = contract.template.several or len({row.file for row in rows}) > 1
    told: list[str] = []
    for row in itertools.islice(rows, _SHOWN):
        place = f"{row.file} line {row.line}" if several else f"line {row.line}"
        told.append(f"{place}: {'; '.join(row.rules)}")
    if bad > _SHOWN:
        told.append(f"and {bad - _SHOWN} more")
    told += _changed_types(bad_rows, judgement, read)
    told.append(f"{bad} of {read} rows break the contract, which allows {contract.limit}")
    told.append(f"ask {contract.asked} for a corrected drop, or fix the rows and land it again")
    return told


def _changed_types(bad_rows: BadRows, judgement: Judgement, read: int) -> list[str]:
    """Name the columns none of whose values fits: that is no dirt, that is another type."""
    contract = judgement.contract
    if contract.shape.changed_type is Policy.IGNORE:
        return []
    types = {column.name: column for column in contract.columns}
    return [
        f"no value of column `{rule.header}` is a {types[rule.column].type}: has its type changed?"
        for rule in bad_rows.of_all(max(read, 2))
        if rule.words.startswith(("does not hold ", "is none of "))
        and judgement.shape.types.get(rule.column, TEXT) == TEXT
    ]


def _check_row_count(contract: SourceContract, label: str, read: int) -> None:
    least, most = contract.row_count
    rules: list[str] = []
    if read == 0 and not contract.gaps_allowed and not least:
        rules.append("the file has no rows; expected at least one, since the contract allows no empty day")
    if least is not None and read < least:
        rules.append(f"{read} rows; the contract says at least {least}")
    if most is not None and read > most:
        rules.append(f"{read} rows; the contract says at most {most}")
    if rules:
        raise DropRefused(label, [*rules, f"ask {contract.asked} for a corrected drop"])


def _names(judgement: Judgement) -> list[str]:
    return [column.name for column in judgement.contract.loaded_columns] + list(judgement.shape.added)


def _key(key: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in key)


def _repeated(key: Sequence[str], rows: str) -> str:
    """Return SQL of the keys that stand twice among rows that break no other rule; `rows` is SQL of them."""
    return f"select {_key(key)} from {_keyed(key, rows)} group by {_key(key)} having count(*) > 1"


def _keyed(key: Sequence[str], rows: str) -> str:
    present = " and ".join(f"{quoted(name)} is not null" for name in key)
    return f"{rows} where not {BREAKS} and {present}"


def any_twice(connection: "duckdb.DuckDBPyConnection", rows: Sequence[Path], key: Sequence[str]) -> bool:
    """Return whether any key stands twice in converted rows.

    Keys that are the same have the same hash: where no hash stands twice the keys need not be compared.
    """
    held = exact_files(connection, rows)
    if not _hash_stands_twice(connection, _keyed(key, held), key):
        return False
    return connection.execute(f"select 1 from ({_repeated(key, held)}) limit 1").fetchone() is not None


def _hash_stands_twice(connection: "duckdb.DuckDBPyConnection", rows: str, key: Sequence[str]) -> bool:
    """Sort the hashes: no slower than the engine, whose groups spill a gigabyte for 40 million keys."""
    import numpy as np

    (count,) = connection.execute(f"select count(*) from {rows}").fetchone() or (0,)
    parts = -(-count // _HASHES_AT_ONCE)
    for part in range(parts):
        hashes = f"select hash({_key(key)}) as hashed from {rows}"
        chosen = f"select hashed from ({hashes}) where hashed % {parts} = {part}" if parts > 1 else hashes
        # Grown in place: what is put together from arrays is there twice.
        found = bytearray()
        for batch in connection.execute(chosen).to_arrow_reader(_HASHES_IN_A_BATCH):
            found += memoryview(batch.column(0).to_numpy())
        ordered = np.frombuffer(found, np.uint64)
        ordered.sort()
        if (ordered[1:] == ordered[:-1]).any():
            return True
    return False
