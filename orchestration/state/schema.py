"""The tables of the state store, in SQLAlchemy Core: SQLite by default, Postgres in production."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()
# SQLite counts rows up only in a column of type INTEGER.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

drops = Table(
    "drops",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("source", String(200), nullable=False),
    Column("partition_key", String(100), nullable=False),
    # The n-th drop of that partition, from 1: with the digest it names a drop without a clock.
    Column("ordinal", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("file", Text, nullable=True),  # null: a partition without a drop, closed by a later one
    Column("size_bytes", BigInteger, nullable=False),
    Column("marker_stamp", String(200), nullable=False),
    Column("landed_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source", "partition_key", "ordinal"),
)

# The files of a drop of several; a drop of one file is told by its row in `drops` alone.
drop_files = Table(
    "drop_files",
    metadata,
    Column("drop_id", BigInteger, ForeignKey("drops.id"), primary_key=True, autoincrement=False),
    Column("path", Text, primary_key=True),  # relative to the staging area
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)

builds = Table(
    "builds",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("relation", String(300), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("drop_ordinal", Integer, nullable=True),
    Column("row_count", BigInteger, nullable=True),
    Column("run_id", String(100), nullable=False),
    Column("built_at", DateTime(timezone=True), nullable=False),
    Index("builds_by_table", "relation", "partition_key", "id"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("relation", String(300), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("check_name", String(300), nullable=False),
    Column("version", String(100), nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("summary", Text, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("judged_at", DateTime(timezone=True), nullable=False),
    Index("evidence_by_check", "relation", "partition_key", "check_name", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("delivery_id", String(64), nullable=False, unique=True),
    Column("export", String(200), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("digest", String(100), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("shard", Text, nullable=False),
    Column("status", String(20), nullable=False),  # planned | acknowledged
    Column("location", Text, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("planned_at", DateTime(timezone=True), nullable=False),
    Column("acknowledged_at", DateTime(timezone=True), nullable=True),
    Index("deliveries_by_export", "export", "partition_key", "id"),
)

holds = Table(
    "holds",
    metadata,
    Column("export", String(200), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("reasons", JSON, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("held_at", DateTime(timezone=True), nullable=False),
)

# Break-glass: a person lets one partition of an export pass on named failed checks, once.
releases = Table(
    "releases",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("export", String(200), nullable=False),
    Column("relation", String(300), nullable=False),
    Column("partition_key", String(100), nullable=False),
    # [[relation, partition key, check, version], …]: on other data the same check still holds.
    Column("checks", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_by", String(200), nullable=False),
    Column("released_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("used_for_version", String(100), nullable=True),
    Column("used_at", DateTime(timezone=True), nullable=True),
    Index("releases_by_partition", "partition_key", "id"),
)

# What has been asked for already: a table's partition, made of these very drops, by the run of this key.
requests = Table(
    "requests",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("made_of", String(64), primary_key=True),
    Column("run_key", String(64), nullable=False),
)
