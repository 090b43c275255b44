"""A drop -> its original, kept -> the raw table's partition, in one transaction.

Reading is strict and typed by the contract, never sniffed. A drop that breaks the contract is refused
whole, with file, line and column; the partition's earlier data stays.
"""

import csv
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from orchestration.areas import CHUNK_BYTES, Area, digest_of
from orchestration.contracts.model import SourceContract
from orchestration.problems import nearest
from orchestration.state.records import Drop
from orchestration.warehouse.engine import literal, quoted, record_version

if TYPE_CHECKING:
    import duckdb

TECHNICAL_COLUMNS = ("_partition_key", "_drop_id", "_source_file")
_SHOWN_ERRORS = 5


class DropRefused(Exception):
    """A drop breaks its contract; `rules` says which ones and where, one line each."""

    def __init__(self, file: str, rules: Sequence[str]) -> None:
        self.file = file
        self.rules = tuple(rules)
        super().__init__(f"{file} refused: " + "; ".join(rules))


@dataclass(frozen=True)
class Loaded:
    """What a load left in the raw table."""

    version: str
    rows: int
    columns: tuple[tuple[str, str], ...]


def original_path(drop: Drop) -> str:
    """Return where a drop's original is kept, relative to the processing area."""
    assert drop.file is not None
    folder = f"{drop.source}/{drop.partition_key}/{drop.ordinal:06d}-{drop.digest[:16]}"
    return f"{folder}/{PurePosixPath(drop.file).name}"


def keep_original(drop: Drop, staging: Area, processing: Area) -> str:
    """Copy a drop's file to the processing area, once, and check that it is what was registered.

    Raises:
        DropRefused: staging holds another content than the drop had when its marker was seen.
    """
    assert drop.file is not None
    kept = original_path(drop)
    if processing.exists(kept) and digest_of(processing, kept)[0] == drop.digest:
        return kept
    if not staging.exists(drop.file):
        rule = "the file is gone from staging and no original is kept; expected it there; land it again"
        raise DropRefused(drop.file, [rule])
    processing.write(kept, staging.chunks(drop.file))
    digest, _ = digest_of(processing, kept)
    if digest != drop.digest:
        processing.remove(kept)
        rule = (
            f"content changed after its marker: digest {digest[:16]}, expected {drop.digest[:16]};"
            " write the marker again once the file is whole"
        )
        raise DropRefused(drop.file, [rule])
    return kept


def load_drop(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    drop: Drop,
    processing: Area,
) -> Loaded:
    """Replace the drop's partition of the raw table; readers see the old rows or the new ones.

    Raises:
        DropRefused: the drop breaks the contract; the table is as it was.
    """
    if drop.file is None:
        _create_landing(connection, contract)
    else:
        kept = original_path(drop)
        _check_header(contract, drop, processing, kept)
        if not processing.local:
            connection.register_filesystem(processing.filesystem)
        _read_csv(connection, contract, drop.file, processing.engine_path(kept))
        _settle_types(connection, contract, drop.file)
        _check_rules(connection, contract, drop)
    version = f"{drop.ordinal}.{drop.digest[:16]}.{contract.version}"
    rows = _replace_partition(connection, contract, drop, version)
    return Loaded(version, rows, _schema(contract))


def _schema(contract: SourceContract) -> tuple[tuple[str, str], ...]:
    technical = tuple((name, "VARCHAR") for name in TECHNICAL_COLUMNS)
    return tuple((column.name, column.type) for column in contract.columns) + technical


def _check_header(contract: SourceContract, drop: Drop, processing: Area, kept: str) -> None:
    """Compare the header with the contract, and read the file to its end.

    The engine takes a compressed file that is cut or damaged for a shorter one; Python checks its sum.
    """
    with processing.filesystem.open(processing.path(kept), "rb", compression="infer") as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            found = next(csv.reader(text, delimiter=contract.delimiter), [])
            while stream.read(CHUNK_BYTES):
                pass
        except UnicodeDecodeError as error:
            raise DropRefused(str(drop.file), [f"line 1: not UTF-8: {error.reason}"]) from error
        except (OSError, EOFError, zlib.error) as error:
            rule = f"damaged or cut short: {error}; ask {contract.owner or 'the provider'} for it again"
            raise DropRefused(str(drop.file), [rule]) from error
    expected = [column.header for column in contract.columns]
    if found == expected:
        return
    rules: list[str] = []
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    for name in missing:
        renamed = nearest(name, extra)
        seen = f"; `{renamed}` stands in the file: renamed?" if renamed else ""
        rules.append(f"line 1: column `{name}` is missing{seen}")
    rules += [f"line 1: column `{name}` is not in the contract" for name in extra]
    if not missing and not extra:
        rules.append(f"line 1: columns stand in another order: {', '.join(found)}")
    rules.append(
        f"expected header: {', '.join(expected)}; ask {contract.owner or 'the provider'},"
        f" or change {contract.file.name}"
    )
    raise DropRefused(str(drop.file), rules)


def _create_landing(connection: "duckdb.DuckDBPyConnection", contract: SourceContract) -> None:
    columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in contract.columns)
    connection.execute(f"create or replace temp table landing ({columns})")


def _read_csv(
    connection: "duckdb.DuckDBPyConnection", contract: SourceContract, file: str, path: str
) -> None:
    types = ", ".join(
        f"{literal(column.header)}: {literal(_read_type(column.type))}" for column in contract.columns
    )
    names = ", ".join(f"{quoted(column.header)} as {quoted(column.name)}" for column in contract.columns)
    connection.execute("drop table if exists temp.reject_errors")
    connection.execute("drop table if exists temp.reject_scans")
    connection.execute(
        f"create or replace temp table landing_read as select {names} from read_csv("
        f"{literal(path)}, header = true, auto_detect = false, delim = {literal(contract.delimiter)},"
        f" quote = '\"', escape = '\"', columns = {{{types}}}, store_rejects = true)"
    )
    headers = {column.header: column for column in contract.columns}
    errors = connection.execute(
        "select line, column_name, error_type::varchar, count(*) over () from ("
        "select line, column_name, error_type, min(column_idx) as place from temp.reject_errors"
        # A short row breaks every column that it lacks; one line says it.
        " where error_type::varchar = 'CAST' group by all union all "
        "select distinct line, null, error_type, 0 from temp.reject_errors"
        f" where error_type::varchar <> 'CAST') order by line, place limit {_SHOWN_ERRORS}"
    ).fetchall()
    if errors:
        rules = [
            f"line {line}: " + _reject_text(headers, column_name, error_type)
            for line, column_name, error_type, _ in errors
        ]
        total = errors[0][3]
        if total > len(errors):
            rules.append(f"and {total - len(errors)} more")
        rules.append(f"ask {contract.owner or 'the provider'} for a corrected drop")
        raise DropRefused(file, rules)


_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def _read_type(type_: str) -> str:
    """Return the type to read a column as: wide enough to see what the contract's type would round."""
    if type_.upper() in _INTEGERS or type_.upper().startswith(("DECIMAL", "NUMERIC")):
        return "DECIMAL(38, 15)"
    return type_


def _settle_types(connection: "duckdb.DuckDBPyConnection", contract: SourceContract, file: str) -> None:
    """Bring the rows to the contract's types; a value that would be rounded or not fit is refused."""
    settled = [column for column in contract.columns if _read_type(column.type) != column.type]
    counts = ", ".join(
        f"count(*) filter (where {quoted(column.name)} is distinct from"
        f" try_cast({quoted(column.name)} as {column.type}))"
        for column in settled
    )
    if counts:
        found = connection.execute(f"select {counts} from landing_read").fetchone()
        assert found is not None
        rules = [
            f"column `{column.header}` does not hold {column.type} in {n} rows"
            for n, column in zip(found, settled, strict=True)
            if n
        ]
        if rules:
            rules.append(f"ask {contract.owner or 'the provider'} for a corrected drop")
            raise DropRefused(file, rules)
    columns = ", ".join(
        f"cast({quoted(column.name)} as {column.type}) as {quoted(column.name)}"
        for column in contract.columns
    )
    connection.execute(f"create or replace temp table landing as select {columns} from landing_read")
    connection.execute("drop table landing_read")


def _reject_text(headers: Mapping[str, Any], column_name: str | None, error_type: str) -> str:
    if error_type == "CAST" and column_name is not None and column_name in headers:
        return f"column `{column_name}` does not hold {headers[column_name].type}"
    words = {
        "MISSING COLUMNS": "too few columns",
        "TOO MANY COLUMNS": "too many columns",
        "UNQUOTED VALUE": "a quote that does not close",
        "LINE SIZE OVER MAXIMUM": "a line longer than the engine takes",
        "INVALID ENCODING": "not UTF-8",
    }
    return words.get(error_type, error_type.lower())


def _check_rules(connection: "duckdb.DuckDBPyConnection", contract: SourceContract, drop: Drop) -> None:
    """Judge what a row, and the drop as a whole, must hold: required, key, partition."""
    counts: list[tuple[str, str]] = [
        (f"count(*) - count({quoted(column.name)})", f"column `{column.header}` is empty")
        for column in contract.columns
        if column.required
    ]
    if contract.key:
        key = ", ".join(quoted(name) for name in contract.key)
        counts.append(
            (f"count(*) - count(distinct ({key}))", f"key ({', '.join(contract.key)}) stands twice")
        )
    if contract.partition_column:
        column = quoted(contract.partition_column)
        counts.append(
            (
                f"count(*) filter (where {column} is distinct from date {literal(drop.partition_key)})",
                f"column `{contract.partition_column}` is not {drop.partition_key}",
            )
        )
    selected = ", ".join(["count(*)", *(expression for expression, _ in counts)])
    found = connection.execute(f"select {selected} from landing").fetchone()
    assert found is not None
    rules = [f"{text} in {n} rows" for n, (_, text) in zip(found[1:], counts, strict=True) if n]
    if not found[0] and not contract.gaps_allowed:
        rules.append("the file has no rows; expected at least one, since the contract allows no empty day")
    if rules:
        rules.append(f"ask {contract.owner or 'the provider'} for a corrected drop")
        raise DropRefused(str(drop.file), rules)


def _replace_partition(
    connection: "duckdb.DuckDBPyConnection", contract: SourceContract, drop: Drop, version: str
) -> int:
    schema = _schema(contract)
    columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in schema)
    connection.execute("begin")
    try:
        connection.execute(f"create table if not exists {contract.relation} ({columns})")
        _follow_contract(connection, contract, schema)
        connection.execute(f"delete from {contract.relation} where _partition_key = ?", [drop.partition_key])
        names = ", ".join(quoted(name) for name, _ in schema)
        connection.execute(
            f"insert into {contract.relation} ({names}) select *, ?, ?, ? from landing",
            [drop.partition_key, drop.key, drop.file],
        )
        # A snapshot is one partition to Dagster's eyes: none.
        key = drop.partition_key if contract.daily else ""
        record_version(connection, contract.relation, key, version)
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    counted = connection.execute("select count(*) from landing").fetchone()
    connection.execute("drop table landing")
    return int(counted[0]) if counted else 0


def _follow_contract(
    connection: "duckdb.DuckDBPyConnection",
    contract: SourceContract,
    schema: Sequence[tuple[str, str]],
) -> None:
    """Add columns that the contract has gained; refuse what would alter rows already loaded."""
    wanted = connection.execute(
        "select " + ", ".join(f"cast(null as {type_}) as {quoted(name)}" for name, type_ in schema)
    ).description
    found = connection.execute(f"select * from {contract.relation} limit 0").description
    held = {column[0]: str(column[1]) for column in found or []}
    for (name, type_), column in zip(schema, wanted or [], strict=True):
        if name not in held:
            connection.execute(f"alter table {contract.relation} add column {quoted(name)} {type_}")
        elif held[name] != str(column[1]):
            rule = (
                f"column `{name}` of {contract.relation} is {held[name]}, the contract says {type_};"
                f" expected the same; alter the table by hand, or restore {contract.file.name}"
            )
            raise DropRefused(contract.path, [rule])
