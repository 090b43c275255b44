"""The page of operations data: `docs/operations-data.md`, whose tables of columns are made of the views.

Belongs here: the page's text. Does not: the columns, which stand where the views do.
"""

from orchestration.core.settings import REPOSITORY
from orchestration.state.ops_model import View
from orchestration.state.ops_views import DEFINITIONS, FACTS, VIEWS

PAGE = REPOSITORY / "docs" / "operations-data.md"
_HEAD = """# Operations data

What ran, what was promised, what the project says: as tables that any tool reads. Made by `python -m
tests.documents.renew` of the views in the code (`state/ops_views.py`).

- [Where they are](#where-they-are)
- [What counts as kept](#what-counts-as-kept)
- [As Parquet](#as-parquet)
- [As a source](#as-a-source)
- [Facts](#facts)
- [What the project says](#what-the-project-says)
- [Answers](#answers)

## Where they are

In the records, never in the warehouse's file: whoever opened that would keep runs out. `sluice ops show`
lists the tables, `sluice ops show sla` prints one, `--json` all of it.

| Records on | A table is | Reports read |
| --- | --- | --- |
| Postgres | the view `ops.sla`, described | schema `ops`: grant `usage` on it, `select` on its views |
| SQLite | the view `ops_sla` | `state.db`, opened read-only; or [Parquet](#as-parquet) |

A schema `ops` that is somebody else's is left alone, and so is one that may not be made: the views are then
beside the records alone, as `ops_sla`. `create schema ops authorization <role of SLUICE_STATE_URL>` by an
administrator lets the next command make them.

Each look (the sensor `incidents`, the end of `sluice run`) brings them up to date. Runs are read once, when
they have ended; all else is a view over records that are kept anyhow. A look takes two seconds for that at
most: what piled up while the deployment was off comes with the next looks.

Neither values of the data, nor what a rule observed, nor words of vendors, people or errors are in them.
Owners are, as the project's files name them.

`deployment` says whose fact it is, by the id that a data directory keeps through restores and adoptions. A
copy that nobody has adopted publishes nothing. An environment has its own facts; what it took over from
production is not among them. After a restore the tables say what the restored records say.

Runs, steps, promises and incidents stay for `SLUICE_OPERATIONS_KEPT_DAYS`; the other facts are records,
which stay. Times are UTC. Columns are only ever added, at the end.

## What counts as kept

A promise is a partition of an export with a `deadline`, or of a source with a `latency` or `frequency`. It
is put on record at the first look after the partition's end, by the files of that moment, and stays: who
changes a deadline changes what is to come. Snapshots and what is cut by drop have no end, so no promise;
nor has an export without a deadline. A look goes 31 days back: an export that is new, or is given its first
deadline, is promised for those days as well; what ended before, while nobody looked, never is.

- **met**: acknowledged by the end of the partition plus the deadline, the moment itself included. A
  correction that is delivered later does not unmake it.
- An export that sends the newest partition alone has met it as well if a newer one was acknowledged by
  then.
- **missed**: not met once it is due, whatever the reason: never sent, held, rejected, without a connection.
- **excused**: it was due within a maintenance window of `alerts.yaml` that covers a late partition of it,
  by the file as it was at the first look after that. It counts nowhere, met or not. What people mute by
  `sluice incident mute` counts.
- **pending**: not due yet. It counts nowhere, delivered or not.

Attainment is met / (met + missed), by the month in which it was due; the oldest month counts what is still
on record of it.

## As Parquet

`sluice ops publish [URL]` writes what is new, by default to `ops/` of the data directory; run it by cron,
as often as reports want to be fresh. A fact's day is `deliveries/day=2026-05-01/data.parquet`, replaced in
one step; what the project says is `exports/data.parquet`, the attainment `sla/data.parquet`.
`manifest.json` comes last: it names each file with its rows and its SHA-256. Killed, it is typed again.
What the records forget of a day stays published; the attainment says what they have.

DuckDB reads a fact by one line; moments are UTC without a zone:

```sql
from read_parquet('ops/deliveries/*/*.parquet', hive_partitioning = true)
```

## As a source

A fact is modelled, judged and sent like any data. Its contract is written by:

```sh
sluice ops source deliveries --owner data@shop.example
sluice contract sources
```

From then on `sluice ops publish` lands each day in staging once it is over, and again where it has changed:
a correction. Name the same URL each time, as it notes there what was landed. The rest is as with [any
source](adding-a-model.md).

`dbt_project/models/exports/exp_operations_daily.sql`:

```sql
select
    day as business_date,
    export,
    count(*) as deliveries,
    count(*) filter (where status = 'acknowledged') as acknowledged,
    coalesce(sum(added + changed + removed), 0)::bigint as changed_rows
from {{ source('raw', 'sluice_ops_deliveries') }}
group by day, export
```

`dbt_project/models/exports/_operations.yml`:

```yaml
models:
  - name: exp_operations_daily
    description: What was sent on a day.
    columns:
      - {name: business_date, data_type: date, description: The day (UTC).}
      - {name: export, data_type: varchar, description: The export.}
      - {name: deliveries, data_type: bigint, description: Plans that were made.}
      - {name: acknowledged, data_type: bigint, description: Those that are there.}
      - {name: changed_rows, data_type: bigint, description: Rows that they changed.}
    data_tests:
      - unique_combination_of_columns:
          arguments:
            combination_of_columns: [business_date, export]
```

`expectations/exp_operations_daily.yml`:

```yaml
description: What was sent on a day.
expectations:
  - type: expect_table_row_count_to_be_between
    kwargs: {min_value: 1, max_value: 10000}
    severity: critical
    meta: {notes: A day without a delivery has no drop.}
  - type: expect_column_values_to_be_between
    kwargs: {column: acknowledged, min_value: 0, max_value: 1000}
    severity: critical
    meta: {notes: Each partition is sent a few times a day at most.}
```

`exports/exp_operations_daily.yml`:

```yaml
model: exp_operations_daily
destination:
  type: postgres
  connection: reports
  object: operations.daily
key: [business_date, export]
mode: mirror
partitions: each
owner: data@shop.example
purpose: Shows what was sent, beside what it says.
```
"""


def page() -> str:
    """Return the page's text."""
    parts = [_HEAD]
    for heading, views in (
        ("Facts", FACTS),
        ("What the project says", DEFINITIONS),
        ("Answers", VIEWS.keys() - FACTS.keys() - DEFINITIONS.keys()),
    ):
        parts += [f"## {heading}\n", *(_told(view) for view in VIEWS.values() if view.name in views)]
    return "\n".join(parts)


def _told(view: View) -> str:
    rows = [f"| `{c.name}` | {c.type} | {c.unit} | {c.description} |" for c in view.columns[1:]]
    head = [f"### {view.name}", "", f"{view.about} One row a {_key(view)}.", ""]
    return "\n".join(
        [*head, "| Column | Type | Unit | What it says |", "| --- | --- | --- | --- |", *rows, ""]
    )


def _key(view: View) -> str:
    return ", ".join(f"`{name}`" for name in view.key)
