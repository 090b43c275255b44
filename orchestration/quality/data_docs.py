"""GX Data Docs of what was judged: a page a suite, and a page for each table and day.

Nothing is judged again, and no table is read but the kept results. Belongs here: which results are shown,
and the site as a directory. Does not belong here: GX, which renders it (`data_docs_gx.py`).
"""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from orchestration.contracts.model import SNAPSHOT_PARTITION
from orchestration.quality.results import create_tables
from orchestration.quality.rule_results import Outcome
from orchestration.quality.suites import CHECK_NAME
from orchestration.warehouse.engine import Warehouse

if TYPE_CHECKING:
    import duckdb

SITE_FOLDER = "data_docs"
_STAMP = "built_from.json"
_NEWEST = """
    with newest as (
        select *
        from sluice.rule_results
        qualify
            dense_rank() over (
                partition by relation, check_name, partition_key order by judged_at desc, run_id desc
            ) = 1
            and dense_rank() over (partition by relation, check_name order by partition_key desc) <= ?
    )
    select
        relation, check_name, partition_key, version, run_id, judged_at, rule_number, type, kwargs,
        severity, outcome, expected, observed, row_count, failing_rows, failing_share, error,
        (
            select list(sample.row order by sample.row_number)
            from sluice.failing_rows as sample
            where
                sample.relation = newest.relation
                and sample.check_name = newest.check_name
                and sample.partition_key = newest.partition_key
                and sample.run_id = newest.run_id
                and sample.judged_at = newest.judged_at
                and sample.rule_number = newest.rule_number
        ) as sample
    from newest
    order by relation, check_name, partition_key desc, rule_number
"""


@dataclass(frozen=True)
class KeptRule:
    """One kept row: what a rule said."""

    number: int
    type: str
    kwargs: Mapping[str, Any]
    severity: str
    outcome: Outcome
    expected: str
    observed: str
    rows: int | None
    failing_rows: int | None
    failing_share: float | None
    error: str | None
    sample: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """One page: what a suite said of a partition the last time."""

    suite: str
    relation: str
    partition_key: str
    version: str
    run_id: str
    judged_at: datetime
    rules: tuple[KeptRule, ...]


def build_data_docs(warehouse: Warehouse, site_dir: Path, newest_per_table: int = 30) -> Path:
    """Make the site of the newest days of each table; return the path of its index.html.

    Does nothing where the site is of these very results. The warehouse is open only while they are read. The
    site is replaced as a whole, so whoever reads the old one meanwhile reads a whole one.

    Raises:
        RuntimeError: GX made no page for something that was judged.
    """
    site_dir.parent.mkdir(parents=True, exist_ok=True)
    with warehouse.connect() as connection:
        create_tables(connection)
        judgements = list(_judgements(connection, newest_per_table))
        written = _last_write(warehouse)  # nobody else writes while it is open
    index, digest = site_dir / "index.html", _digest(judgements)
    with FileLock(site_dir.with_name(f"{site_dir.name}.lock")):
        if not (index.exists() and _read_stamp(site_dir).get("results") == digest):
            _replace(site_dir, judgements)
        stamp = site_dir / f"{_STAMP}.new"
        stamp.write_text(json.dumps({"results": digest, "warehouse": written}), encoding="utf-8")
        stamp.replace(site_dir / _STAMP)
    return index


def shows_newest(warehouse: Warehouse, site_dir: Path) -> bool:
    """Tell whether a site is there, and nothing was written to the warehouse since it was made.

    Neither opens the warehouse nor waits for it.
    """
    made_of = _read_stamp(site_dir).get("warehouse")
    return made_of == _last_write(warehouse) and (site_dir / "index.html").exists()


def _replace(site_dir: Path, judgements: Sequence[Judgement]) -> None:
    from orchestration.quality.data_docs_gx import render  # seconds

    new, old = site_dir.with_name(f"{site_dir.name}.new"), site_dir.with_name(f"{site_dir.name}.old")
    shutil.rmtree(new, ignore_errors=True)  # of one that was killed
    render(judgements, new)
    if site_dir.exists():
        shutil.rmtree(old, ignore_errors=True)
        site_dir.rename(old)
    new.rename(site_dir)
    shutil.rmtree(old, ignore_errors=True)


def _last_write(warehouse: Warehouse) -> str:
    """Return what changes whenever the warehouse's file, or its log beside it, is written."""
    files = (warehouse.path, warehouse.path.with_name(f"{warehouse.path.name}.wal"))
    return " ".join(str(file.stat().st_mtime_ns) for file in files if file.exists())


def _read_stamp(site_dir: Path) -> Mapping[str, str]:
    stamp = site_dir / _STAMP
    return json.loads(stamp.read_text(encoding="utf-8")) if stamp.exists() else {}


def _judgements(connection: "duckdb.DuckDBPyConnection", newest_per_table: int) -> Iterator[Judgement]:
    rows = connection.execute(_NEWEST, [newest_per_table]).fetchall()
    for said, rules in itertools.groupby(rows, key=lambda row: row[:6]):
        relation, check, partition_key, table_version, run_id, judged_at = said
        yield Judgement(
            suite=relation if check == CHECK_NAME else f"{relation}.{check}",
            relation=relation,
            partition_key=partition_key or SNAPSHOT_PARTITION,
            version=table_version,
            run_id=run_id,
            judged_at=judged_at.replace(tzinfo=UTC),
            rules=tuple(
                KeptRule(
                    number=row[6], type=row[7], kwargs=json.loads(row[8]), severity=row[9],
                    outcome=Outcome(row[10]), expected=row[11] or "", observed=row[12] or "", rows=row[13],
                    failing_rows=row[14], failing_share=row[15], error=row[16], sample=tuple(row[17] or ()),
                )
                for row in rules
            ),
        )  # fmt: skip


def _digest(judgements: Sequence[Judgement]) -> str:
    """Tell one site from another: what was judged, and what renders it."""
    digest = hashlib.sha256(version("great-expectations").encode())
    ours = Path(__file__).parent
    for path in [*sorted(ours.glob("data_docs*.py")), *sorted(ours.glob("data_docs_templates/*"))]:
        digest.update(path.read_bytes())
    for item in judgements:
        digest.update(repr((item.suite, item.partition_key, item.run_id, item.judged_at)).encode())
    return digest.hexdigest()
