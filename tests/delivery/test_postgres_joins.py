"""Which joins Postgres takes where it knows nothing of the rows that are there: none of all with all.

Its plans are read in its log. Belongs here: what a delivery's statements join. Does not: what they change
(`modes`, `owned`).
"""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sluicegate.destinations.base import Mode
from sluicegate.destinations.postgres import PostgresDestination

from .journals import MemoryJournal
from .support import DAY, NEXT_DAY, MakeShard, Row, execute, query

_COLUMNS = "(item int, business_date date, note text, owner text)"
_UNIQUE = "create unique index on items (item, business_date);"
TABLES = {
    "plain": f"create table items {_COLUMNS};",
    "with a unique index": f"create table items {_COLUMNS}; {_UNIQUE}",
    "with an index of days": f"create table items {_COLUMNS}; {_UNIQUE}"
    " create index on items (business_date);",
    "in partitions": f"create table items {_COLUMNS} partition by list (business_date);"
    f" create table other_days partition of items default; {_UNIQUE}",
}
MODES = [
    (Mode.UPSERT, False), (Mode.MIRROR, False), (Mode.MIRROR, True), (Mode.SNAPSHOT, True),
    (Mode.APPEND, False),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "full"), MODES)
@pytest.mark.parametrize("table", TABLES)
def test_a_day_that_was_not_analyzed_is_not_compared_row_by_row(
    database_url: str, make_shard: MakeShard, table: str, mode: Mode, full: bool
) -> None:
    """What the server knows of the table is from before the day: it takes its rows for next to none."""
    execute(
        database_url,
        f"{TABLES[table]} insert into items select n, '{NEXT_DAY}', 'old' from generate_series(0, 2999) n;"
        "analyze items;"
        f"insert into items select n, '{DAY}', 'old' from generate_series(0, 2999) n",
    )
    place = conninfo_to_dict(database_url)
    execute(database_url, f"alter database {place['dbname']} set debug_print_plan = on")
    log = Path(str(place["host"])) / "log"
    before = len(log.read_bytes())
    first = 5000 if mode is Mode.APPEND else 0
    rows: list[Row] = [(number, DAY, "new") for number in range(first, first + 3000)]
    shard = make_shard(rows, mode=mode, full=full)
    PostgresDestination(database_url, "items").send(shard, MemoryJournal(shard.rows))
    old = 6000 if mode is Mode.APPEND else 3000
    held = query(database_url, "select note, count(*)::int from items group by 1 order by 1")
    assert held == [("new", 3000), ("old", old)]
    # The server writes the statement behind each plan.
    said = log.read_bytes()[before:].decode(errors="replace")
    plans = [
        plan for plan in said.split("LOG:  plan:")[1:] if "_sluice_staging" in plan.partition("STATEMENT:")[2]
    ]
    assert [plan for plan in plans if "{MERGEJOIN" in plan or "{HASHJOIN" in plan]
    assert not [plan for plan in plans if "{NESTLOOP" in plan]
