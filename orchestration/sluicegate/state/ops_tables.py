"""Tables of what ran, as operations data keep it: what no other record has.

All else of operations data is a view over records that are kept anyhow (`ops_views`). Belongs here: what a
row is. Does not belong here: reading and writing rows (`ops`).
"""

from sqlalchemy import Boolean, Column, DateTime, Double, Index, Integer, String, Table, Text

from sluicegate.state.schema import metadata

# Runs that have ended, as Dagster knows them, and may forget them.
runs = Table(
    "reported_runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("job", String(200), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("started_by", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("queued_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("ended_at", DateTime(timezone=True), nullable=False),
    Column("retry_of", String(64), nullable=False),
    Column("failed_step", String(400), nullable=False),
    Column("collected_at", DateTime(timezone=True), nullable=False),
    Index("reported_runs_by_end", "ended_at"),
    Index("reported_runs_by_collection", "collected_at"),
)

steps = Table(
    "reported_steps",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("step", String(400), primary_key=True),
    Column("kind", String(20), nullable=False),  # source | model | export | other
    Column("name", String(400), nullable=False),
    Column("status", String(20), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=True),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    Column("seconds", Double, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("error_class", String(200), nullable=False),
)

# What was last brought here: up to which moment, or which content.
collected = Table(
    "reported_until",
    metadata,
    Column("what", String(40), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("digest", String(64), nullable=False, server_default=""),
)

# The project's definitions, as they were last loaded: each table is written anew when they change.
contracts = Table(
    "reported_contracts",
    metadata,
    Column("source", String(200), primary_key=True),
    Column("version", String(100), nullable=False),
    Column("grain", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("provider", String(400), nullable=False),
    Column("latency_seconds", Double, nullable=True),
    Column("frequency_seconds", Double, nullable=True),
    Column("max_age_seconds", Double, nullable=True),
    Column("file", Text, nullable=False),
)
tables = Table(
    "reported_tables",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("kind", String(20), nullable=False),  # source | model
    Column("grain", String(20), nullable=False),
    Column("stage", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("file", Text, nullable=False),
)
exports = Table(
    "reported_exports",
    metadata,
    Column("export", String(200), primary_key=True),
    Column("relation", String(300), nullable=False),
    Column("destination", String(100), nullable=False),
    Column("connection", String(200), nullable=False),
    Column("mode", String(20), nullable=False),
    Column("partitions", String(20), nullable=False),
    Column("stage", String(20), nullable=False),
    Column("deadline_seconds", Double, nullable=True),
    Column("owner", String(200), nullable=False),
    Column("file", Text, nullable=False),
)
owners = Table(
    "reported_owners",
    metadata,
    Column("owner", String(200), primary_key=True),
    Column("kind", String(20), primary_key=True),  # source | table | export
    Column("name", String(300), primary_key=True),
    Column("channel", String(200), nullable=False),
)
lineage = Table(
    "reported_lineage",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("parent", String(300), primary_key=True),
    Column("trailing_days", Integer, nullable=False),
    Column("by_test", Boolean, nullable=False),
)
checks = Table(
    "reported_checks",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("check_name", String(300), primary_key=True),
    Column("rules", String(64), nullable=False),
)
DEFINITIONS = (contracts, tables, exports, owners, lineage, checks)
