"""The rows of a drop -> one Parquet file of typed rows that keep the contract, and the rows that do not.

One pass of the engine over the files. Only where a row breaks a rule a second one looks for its place and its
text, so that a sound drop pays for neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.compute.exact_parquet import exact_files, write_exact_at_once
from orchestration.compute.sql import literal, quoted
from orchestration.contracts.model import SourceContract
from orchestration.contracts.shape import Policy
from orchestration.ingestion.formats.base import KEPT_TEXT, TEXT, Reader
from orchestration.ingestion.judgement import BREAKS, REPEATED_HEADER, Judgement
from orchestration.ingestion.masking import REDACTED
from orchestration.ingestion.refusal import DropRefused

if TYPE_CHECKING:
    import duckdb

# Of a drop that is refused this many bad rows are kept to be looked at; of one that is taken, all.
KEPT_OF_REFUSED = 1000
_SHOWN = 5
# Of 8 bytes each: more than these are sorted in parts.
_HASHES_AT_ONCE, _HASHES_IN_A_BATCH = 1 << 25, 1 << 17
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
class Converted:
    """What a conversion left: `rows` is the Parquet file, `read` = `loaded` + `quarantined` rows.

    `not_bad` are places for which there is a mended row, and that are in order themselves.
    """

    rows: Path
    read: int
    loaded: int
    quarantined: tuple[QuarantinedRow, ...]
    not_bad: frozenset[Place] = frozenset()


class TooManyBadRows(DropRefused):
    """More rows break the contract than it allows; `quarantined` are the first of them."""

    def __init__(self, file: str, rules: Sequence[str], quarantined: Sequence[QuarantinedRow]) -> None:
        super().__init__(file, rules)
        self.quarantined = tuple(quarantined)


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
        return Converted(typed, read, read, ())
    return _quarantine(
        connection, judgement, reader, label, scratch, typed, twice, read, counted[1], broken, mended
    )


def _quarantine(
    connection: "duckdb.DuckDBPyConnection",
    judgement: Judgement,
    reader: Reader,
    label: str,
    scratch: Path,
    typed: Path,
    twice: Sequence[tuple[str, ...]],
    read: int,
    judged: int,
    broken: int,
    mended: frozenset[Place],
) -> Converted:
    if judged or twice:
        _find_bad_rows(connection, judgement, reader, typed, twice)
    else:
        rules = "struct(name varchar, header varchar, rule varchar)[]"
        columns = f"file varchar, place bigint, rules {rules}, raw varchar"
        connection.execute(f"create or replace temp table bad_rows ({columns})")
    found = connection.execute("select count(*) from bad_rows").fetchone()
    assert found is not None
    bad = broken + found[0]
    limit = judgement.contract.limit
    most = KEPT_OF_REFUSED if limit.exceeded(bad, read) and not mended else bad
    rows = _unsplit(judgement, reader, most)
    rows += _placed(connection, reader, most - len(rows))
    rows.sort(key=lambda row: (row.file, row.line))
    # What is fine would stand in the table twice.
    not_bad = mended - {(row.file, row.line) for row in rows}
    mended -= not_bad
    rows = [row for row in rows if (row.file, row.line) not in mended]
    left = bad - len(mended)
    if limit.exceeded(left, read):
        raise TooManyBadRows(label, _told(connection, judgement, rows, left, read), rows)
    clean = scratch / "clean.parquet"
    held = exact_files(connection, [typed])
    keep = f"not {BREAKS}" + "".join(
        f" and coalesce(({_key(key)}) not in ({_repeated(key, held)}), true)" for key in twice
    )
    names = ", ".join(quoted(name) for name in _names(judgement))
    write_exact_at_once(connection, f"select {names}, {BREAKS} from {held} where {keep}", clean)
    loaded = connection.execute(f"select count(*) from read_parquet({literal(str(clean))})").fetchone()
    assert loaded is not None
    typed.unlink()
    if loaded[0] + len(rows) + len(mended) != read:
        raise AssertionError(
            f"{label}: {read} rows read, {loaded[0]} kept and {len(rows)} not: some are lost"
        )
    return Converted(clean, read, loaded[0], tuple(rows), not_bad)


def check_limit(
    contract: SourceContract, label: str, read: int, quarantined: Sequence[QuarantinedRow]
) -> None:
    """Hold all that a drop has in quarantine against the contract's limit, mended rows too.

    Raises:
        TooManyBadRows: it is more.
    """
    if contract.limit.exceeded(len(quarantined), read):
        told = [f"{row.file} line {row.line}: {'; '.join(row.rules)}" for row in quarantined[:_SHOWN]]
        raise TooManyBadRows(
            label,
            [*told, f"{len(quarantined)} of {read} rows break the contract, which allows {contract.limit}"],
            quarantined,
        )


def _find_bad_rows(
    connection: "duckdb.DuckDBPyConnection",
    judgement: Judgement,
    reader: Reader,
    typed: Path,
    twice: Sequence[tuple[str, ...]],
) -> None:
    """Read again, and keep the bad rows with their places, rules and text in the table `bad_rows`."""
    header = judgement.repeated_header
    rules = [*([header] if header is not None else []), *judgement.rules]
    lists = [judgement.found_rules(rules)]
    held = exact_files(connection, [typed])
    for key in twice:
        said = f"key ({', '.join(key)}) stands twice"
        lists.append(
            f"case when ({judgement.key_values(key)}) in ({_repeated(key, held)})"
            f" then [{{'name': {literal(key[0])}, 'header': {literal(', '.join(key))},"
            f" 'rule': {literal(said)}}}] else [] end"
        )
    placed = reader.placed_rows(judgement.wanted)
    # A row's number is its place only where the engine keeps the order of the file.
    connection.execute("set preserve_insertion_order = true")
    connection.execute(
        f"create or replace temp table bad_rows as select _file as file, _place as place,"
        f" {' || '.join(lists)} as rules, {judgement.raw()} as raw from ({placed}) where len(rules) > 0"
    )


def _unsplit(judgement: Judgement, reader: Reader, at_most: int) -> list[QuarantinedRow]:
    """Rows without columns; where a column is classified, nobody can tell which part of them it is."""
    return [
        QuarantinedRow(
            row.file,
            row.line,
            "",
            row.rule,
            (row.rule,),
            REDACTED if judgement.hides else row.raw[:KEPT_TEXT],
        )
        for row in reader.broken_rows(at_most)
    ]


def _placed(connection: "duckdb.DuckDBPyConnection", reader: Reader, at_most: int) -> list[QuarantinedRow]:
    found = connection.execute(
        "select file, place, rules, raw from bad_rows order by file, place limit ?", [max(at_most, 0)]
    ).fetchall()
    places: dict[str, list[int]] = {}
    for file, place, _, _ in found:
        places.setdefault(file, []).append(place)
    lines = {file: reader.lines(file, numbers) for file, numbers in places.items()}
    rows: list[QuarantinedRow] = []
    for file, place, rules, raw in found:
        # The header line once more breaks every other rule by the way.
        said = [rule for rule in rules if rule["rule"] == REPEATED_HEADER] or rules
        rows.append(
            QuarantinedRow(
                file,
                lines[file].get(place, place),
                said[0]["name"],
                _words(said[0]),
                tuple(dict.fromkeys(_words(rule) for rule in said)),
                raw[:KEPT_TEXT],
            )
        )
    return rows


def _words(rule: dict[str, str]) -> str:
    if not rule["name"] or rule["rule"].startswith("key ("):
        return rule["rule"]
    return f"column `{rule['header']}` {rule['rule']}"


def _told(
    connection: "duckdb.DuckDBPyConnection",
    judgement: Judgement,
    rows: Sequence[QuarantinedRow],
    bad: int,
    read: int,
) -> list[str]:
    """Say what is wrong with a drop: the first rows, how many more, and whom to ask."""
    contract = judgement.contract
    several = len({row.file for row in rows}) > 1 or contract.template.several
    told: list[str] = []
    for row in rows[:_SHOWN]:
        place = f"{row.file} line {row.line}" if several else f"line {row.line}"
        told.append(f"{place}: {'; '.join(row.rules)}")
    if bad > _SHOWN:
        told.append(f"and {bad - _SHOWN} more")
    told += _changed_types(connection, judgement, read)
    told.append(f"{bad} of {read} rows break the contract, which allows {contract.limit}")
    told.append(f"ask {contract.asked} for a corrected drop, or mend the rows and land it again")
    return told


def _changed_types(connection: "duckdb.DuckDBPyConnection", judgement: Judgement, read: int) -> list[str]:
    """Name the columns none of whose values fits: that is no dirt, that is another type."""
    contract = judgement.contract
    if contract.shape.changed_type is Policy.IGNORE:
        return []
    counted = connection.execute(
        "select rule.name, count(*) from (select unnest(rules) as rule from bad_rows)"
        " where rule.rule like 'does not hold %' or rule.rule like 'is none of %'"
        " group by 1 having count(*) >= ?",
        [max(read, 2)],
    ).fetchall()
    types = {column.name: column for column in contract.columns}
    return [
        f"no value of column `{types[name].header}` is a {types[name].type}: has its type changed?"
        for name, _ in counted
        if judgement.shape.types.get(name, TEXT) == TEXT
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
