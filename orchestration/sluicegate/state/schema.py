"""The tables of the state store, in SQLAlchemy Core, for SQLite and Postgres alike.

Belongs here: what a row is. Does not belong here: reading and writing rows, and bringing a store that older
code made up to date (`upgrade`).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()
# SQLite counts rows up only in a column of type INTEGER.
_RowNumber = BigInteger().with_variant(Integer, "sqlite")

# One row: which form the records have; see `upgrade`.
form = Table(
    "records_form",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("written_by", String(100), nullable=False),
)

# One row: which deployment this is; see `identity`.
deployment = Table(
    "deployment",
    metadata,
    Column("only", Integer, primary_key=True, autoincrement=False, server_default="1"),
    Column("id", String(32), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", String(100), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("holder", String(32), nullable=False),
    Column("anchor", String(32), nullable=False),
    Column("place", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("said", Text, nullable=False),
)

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
    Column("landed_again_at", DateTime(timezone=True), nullable=True),  # older code's, and not read any more
    # A digest of what the marker or manifest holds; empty if nothing, null where older code did not look.
    Column("announced", String(64), nullable=True),
    Column("tells_as_of", DateTime(timezone=True), nullable=True),  # null: as of when it landed
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
    Column("inputs", JSON, nullable=True),  # {parent: {partition key: version}}; null: not on record
    Column("code", String(64), nullable=False, server_default=""),  # digest of the SQL that made it
    Column("project", String(64), nullable=False, server_default=""),  # digest of the project directory
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
    Column("rules", String(64), nullable=False, server_default=""),  # digest of what it was judged by
    Column(
        "content", String(64), nullable=False, server_default=""
    ),  # digest of the rows, where they are sent
    Column("reads", JSON, nullable=True),  # {other table: {partition key: version}}; null: not on record
    Index("evidence_by_check", "relation", "partition_key", "check_name", "id"),
)

# Checks that could not run, until they have: an error says nothing about the data.
check_errors = Table(
    "check_errors",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("check_name", String(300), primary_key=True),
    Column("version", String(100), nullable=False),
    Column("rules", String(64), nullable=False),
    Column("said", Text, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    Column("next_try_at", DateTime(timezone=True), nullable=True),  # null: given up
)

# Each time that a suite judged a partition, whatever came of it. The gate reads evidence, and none of these.
judgements = Table(
    "judgements",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("relation", String(300), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("check_name", String(300), nullable=False),
    Column("version", String(100), nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("judged_at", DateTime(timezone=True), nullable=False),
    Index("judgements_by_table", "relation", "partition_key", "version"),
)

# What each rule said in a judgement; values of classified columns are masked.
rule_results = Table(
    "rule_results",
    metadata,
    Column("judgement_id", BigInteger, ForeignKey("judgements.id"), primary_key=True, autoincrement=False),
    Column("rule_number", Integer, primary_key=True, autoincrement=False),  # its place in the suite, from 0
    Column("type", Text, nullable=False),
    Column("kwargs", Text, nullable=False),  # JSON
    Column("severity", String(20), nullable=False),
    Column("outcome", String(40), nullable=False),
    Column("expected", Text, nullable=False),
    Column("observed", Text, nullable=False),
    Column("observed_value", Double, nullable=True),
    Column("row_count", BigInteger, nullable=True),
    Column("failing_rows", BigInteger, nullable=True),
    Column("failing_share", Double, nullable=True),  # from 0 to 1, of row_count
    Column("error", Text, nullable=True),
)

# A few of the rows that failed a rule.
failing_rows = Table(
    "failing_rows",
    metadata,
    Column("judgement_id", BigInteger, ForeignKey("judgements.id"), primary_key=True, autoincrement=False),
    Column("rule_number", Integer, primary_key=True, autoincrement=False),
    Column("row_number", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("row", Text, nullable=False),  # JSON, {column: value}
)

# What a version of a partition measures, for rules that compare with earlier ones.
metrics = Table(
    "metrics",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("metric", String(300), primary_key=True),
    Column("value", Double, nullable=True),  # null: there is no finite number
    Column("measured_at", DateTime(timezone=True), nullable=False),
)

# The same of partitions that were there before a rule looked at them: hundreds of them, measured at once.
past_metrics = Table(
    "past_metrics",
    metadata,
    Column("relation", String(300), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("names", String(64), primary_key=True),  # a digest of which metrics they are
    Column("numbers", Text, nullable=False),  # JSON, {metric: number, null where there is no finite one}
    Column("measured_at", DateTime(timezone=True), nullable=False),
)

# Plans, and what became of them. A scope is a partition, or "" where the destination holds the newest one.
# A server default is what a column says in a store that was made before the column was.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("delivery_id", String(64), nullable=False, unique=True),
    Column("export", String(200), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("version", String(100), nullable=False),
    Column("digest", String(100), nullable=False),
    Column("row_count", BigInteger, nullable=False),  # what the scope holds, once all is taken
    Column("shard", Text, nullable=False),
    Column("status", String(20), nullable=False),  # see records.DeliveryStatus
    Column("location", Text, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("planned_at", DateTime(timezone=True), nullable=False),
    Column("acknowledged_at", DateTime(timezone=True), nullable=True),
    Column("scope", String(100), nullable=False, server_default=""),
    Column("kind", String(20), nullable=False, server_default=""),  # change | resync | redeliver | forget
    Column("mode", String(20), nullable=False, server_default=""),
    Column(
        "whole", Boolean, nullable=False, server_default=false()
    ),  # every row of the scope is in the shard
    Column("supersedes", String(64), nullable=False, server_default=""),
    Column("key", Text, nullable=False, server_default=""),  # JSON list of the fields that tell rows apart
    Column("shape", String(64), nullable=False, server_default=""),  # digest of the fields and their types
    Column("hashed_by", String(40), nullable=False, server_default=""),  # see warehouse.row_hash.hashed_by
    Column("added", BigInteger, nullable=False, server_default="0"),
    Column("changed", BigInteger, nullable=False, server_default="0"),
    Column("removed", BigInteger, nullable=False, server_default="0"),
    Column("unchanged", BigInteger, nullable=False, server_default="0"),
    Column("shard_rows", BigInteger, nullable=False, server_default="0"),
    # Rows below may have left: older code noted that far ahead, see `leavings` for what is noted now.
    Column("sent_to", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("reasons", JSON, nullable=True),  # why it was held
    Column("decided_by", String(200), nullable=False, server_default=""),
    Column("decision", Text, nullable=False, server_default=""),
    Column("decided_at", DateTime(timezone=True), nullable=True),
    # What made the plan besides the data (see delivery.ledger); "" in a store that was made before.
    Column("made_by", String(64), nullable=False, server_default=""),  # digest of the export file's rules
    Column("place", Text, nullable=False, server_default=""),  # the destination's object, without secrets
    Column("source", String(64), nullable=False, server_default=""),  # digest of the SQL and its fields
    # As which the plan is ended, whatever the export file says by then.
    Column("partition_column", String(200), nullable=False, server_default=""),
    Column("bounds", JSON, nullable=True),
    Column("alike", Text, nullable=False, server_default=""),  # what made two keys one (see compute.alike)
    Column(
        "key_types", Text, nullable=False, server_default=""
    ),  # JSON list of the types of the key's fields
    Column("columns", Text, nullable=False, server_default=""),  # JSON {field: the model's column}, of others
    Column("anew", Boolean, nullable=False, server_default=false()),  # what was known before it was of no use
    # The number of its last sending: greater than that of every sending, and the id of every plan, before. 0
    # where older code sent it: then the id tells.
    Column("sending", BigInteger, nullable=False, server_default="0"),
    Index("deliveries_by_export", "export", "partition_key", "id"),
    Index("deliveries_by_scope", "export", "scope", "id"),
    Index("deliveries_by_sending", "sending"),
    Index("deliveries_by_end", "acknowledged_at"),
)

# Rows of a delivery that the destination has settled, half-open; the refused ones are in `refusals`.
acknowledgements = Table(
    "acknowledgements",
    metadata,
    Column("delivery_id", String(64), primary_key=True),
    Column("first_row", BigInteger, primary_key=True, autoincrement=False),
    Column("end_row", BigInteger, nullable=False),
    Column("sending", BigInteger, nullable=False, server_default="0"),  # see `deliveries.sending`
)

# Requests that may have left and were not answered for certain: what the rows are that each has.
leavings = Table(
    "leavings",
    metadata,
    Column("note", String(32), primary_key=True),
    Column("delivery_id", String(64), nullable=False),
    Column("rows", Text, nullable=False),  # JSON [[first, end], …], half-open; []: it has none
    Column("sending", BigInteger, nullable=False, server_default="0"),  # see `deliveries.sending`
    Index("leavings_by_delivery", "delivery_id"),
)

# Every refusal, by delivery and row; what a delivery leaves out of its layer.
refusals = Table(
    "refusals",
    metadata,
    Column("delivery_id", String(64), primary_key=True),
    Column("row", BigInteger, primary_key=True, autoincrement=False),
    Column("code", String(200), nullable=False),
    Column("said", Text, nullable=False),
)

# Keys that a destination refuses, until it takes them or they are gone.
refused_keys = Table(
    "refused_keys",
    metadata,
    Column("export", String(200), primary_key=True),
    Column("scope", String(100), primary_key=True),
    Column("key", String(700), primary_key=True),  # JSON list of the key's values as text
    Column("row_hash", String(40), nullable=False),
    Column("delivery_id", String(64), nullable=False),
    Column("code", String(200), nullable=False),
    Column("said", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_refused_at", DateTime(timezone=True), nullable=False),
    Column("next_try_at", DateTime(timezone=True), nullable=True),  # null: given up
)

# What a destination wants remembered of a delivery under way: a vendor's job id.
delivery_notes = Table(
    "delivery_notes",
    metadata,
    Column("delivery_id", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("value", Text, nullable=False),
)

# The whole of a scope in one shard, after a delivery: so that not all layers must be read.
bases = Table(
    "bases",
    metadata,
    Column("export", String(200), primary_key=True),
    Column("scope", String(100), primary_key=True),
    Column("after_id", BigInteger, nullable=False),  # deliveries.id
    Column("shard", Text, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("shape", String(64), nullable=False),
    Column("hashed_by", String(40), nullable=False),
)

# Who is at work on a destination's object now, or on a run; see `leases` and `core.processes`.
leases = Table(
    "leases",
    metadata,
    Column("object", String(700), primary_key=True),
    Column("token", String(64), nullable=False),
    Column("host", String(200), nullable=False),
    Column("process", Integer, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    # Empty, and null, of what older code took.
    Column("boot", String(100), nullable=False, server_default=""),
    Column("namespace", String(100), nullable=False, server_default=""),
    Column("started", String(40), nullable=False, server_default=""),
    Column("lifetime_seconds", Double, nullable=False, server_default="60"),
    Column("boot_until", Double, nullable=True),  # seconds of the clock that nobody sets
)

# Keys that must not be sent again, and the record of each erasure; the key itself is not kept.
forgotten_keys = Table(
    "forgotten_keys",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("export", String(200), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("key_digest", String(64), nullable=False),
    Column("found", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("forgotten_by", String(200), nullable=False),
    Column("forgotten_at", DateTime(timezone=True), nullable=False),
    Column("fields", Text, nullable=False, server_default=""),  # digests by field (see records.ForgottenKey)
    Index("forgotten_by_export", "export", "id"),
)

# Backups that these records were restored from; see `restores`.
restores = Table(
    "restores",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("backup", String(100), nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    Column("restored_at", DateTime(timezone=True), nullable=False),
)

# What was found of a scope since a restore: whether it may be sent to again. "*" is every scope.
reconciled_scopes = Table(
    "reconciled_scopes",
    metadata,
    Column("restore_id", BigInteger, primary_key=True, autoincrement=False),
    Column("export", String(200), primary_key=True),
    Column("scope", String(100), primary_key=True),
    Column("settled", Boolean, nullable=False),
    Column("said", Text, nullable=False),
    Column("found_by", String(200), nullable=False),
    Column("found_at", DateTime(timezone=True), nullable=False),
)

# Which connections the deployment has, as its processes found them; no secret is kept.
connections = Table(
    "connections",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("served", Boolean, primary_key=True),  # found by the daemon and the UI, or by a command
    Column("there", Boolean, nullable=False),
    Column("found_at", DateTime(timezone=True), nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("export", String(200), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("reasons", JSON, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("held_at", DateTime(timezone=True), nullable=False),
    Column("waits_for", JSON, nullable=True),  # [table, …] that are too old; null: none
)

# Break-glass: a person lets one partition of an export pass on named failed checks, once.
releases = Table(
    "releases",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("export", String(200), nullable=False),
    Column("relation", String(300), nullable=False),
    Column("partition_key", String(100), nullable=False),
    # [[relation, partition key, check, version, rules], …]: on other data, or by others, it still holds.
    Column("checks", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released_by", String(200), nullable=False),
    Column("released_at", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("used_for_version", String(100), nullable=True),
    Column("used_at", DateTime(timezone=True), nullable=True),
    # Also on checks that fail further down, on what is made of these very data.
    Column("through", Boolean, nullable=False, server_default=false()),
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

# What was wrong, and what became of it: one row from when it was found until it is right; see `incidents`.
incidents = Table(
    "incidents",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("root_kind", String(20), nullable=False),
    Column("root_name", String(400), nullable=False),
    Column("partition_key", String(100), nullable=False),
    Column("dedup_key", String(255), nullable=False),
    Column("urgency", String(20), nullable=False),
    Column("owner", String(200), nullable=False),
    Column("channel", String(200), nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True), nullable=True),
    Column("resolution", Text, nullable=False, server_default=""),
    Column("acknowledged_by", String(200), nullable=False, server_default=""),
    Column("acknowledged_at", DateTime(timezone=True), nullable=True),
    Column("snoozed_until", DateTime(timezone=True), nullable=True),
    Column("escalation", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), nullable=True),
    Column("told", JSON, nullable=True),  # [what of it was told, …], as tokens; null: nothing yet
    Column("findings", JSON, nullable=False),  # [{kind, what, fix, run_id, step}, …]
    Column("affected", JSON, nullable=False),  # [{export, partition_key, owner, due_at}, …]
    Index("incidents_by_root", "root_name", "partition_key", "id"),
)
# One root has one open incident: of two processes that find it at once, one gets it.
_OPEN = incidents.c.resolved_at.is_(None)
Index(
    "incidents_open_once",
    incidents.c.root_kind, incidents.c.root_name, incidents.c.partition_key,
    unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN,
)  # fmt: skip

incident_events = Table(
    "incident_events",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("incident_id", BigInteger, ForeignKey("incidents.id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("what", String(20), nullable=False),
    Column("person", String(200), nullable=False, server_default=""),  # "": the platform
    Column("text", Text, nullable=False, server_default=""),
    Index("incident_events_by_incident", "incident_id", "id"),
)

# Messages to channels, in the order in which they go out; see `outbox`.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("incident_id", BigInteger, ForeignKey("incidents.id"), nullable=True),  # null: of many
    Column("channel", String(200), nullable=False),
    Column("action", String(20), nullable=False),
    Column("notice", String(64), nullable=False),  # the message's own id, the same at each try
    Column("body", JSON, nullable=False),
    Column("status", String(20), nullable=False),  # waiting | sent | given up | dropped
    Column("queued_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("tried_at", DateTime(timezone=True), nullable=True),
    Column("next_try_at", DateTime(timezone=True), nullable=True),  # null: at once
    Column("doubtful", Boolean, nullable=False, server_default=false()),  # it may have arrived
    Column("sent_at", DateTime(timezone=True), nullable=True),
    Column("vendor_id", Text, nullable=False, server_default=""),
    Column("last_error", Text, nullable=False, server_default=""),
    Index("outbox_by_channel", "status", "channel", "id"),
    Index("outbox_by_incident", "incident_id", "id"),
)

# What nobody is to be told of for a time: a person's word.
mutes = Table(
    "mutes",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("selector", JSON, nullable=False),  # {kind, name, partition_key}: what is left out is any
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("muted_by", String(200), nullable=False),
)

# When each part of the platform was last heard of. `number` counts the looks at what is wrong.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("component", String(100), primary_key=True),
    Column("host", String(200), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Column("number", BigInteger, nullable=False, server_default="0"),
)

# Which process starts the second try of what a run left undone: of two that look at once, one.
second_tries = Table(
    "second_tries",
    metadata,
    Column("run_id", String(64), primary_key=True),  # of the first try
    Column("name", String(400), primary_key=True),  # the table or the export
    Column("owner", String(64), nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
)

# By when a partition had to be there, as the files said when it was first asked.
due_moments = Table(
    "due_moments",
    metadata,
    Column("kind", String(20), primary_key=True),  # source | delivery
    Column("name", String(200), primary_key=True),
    Column("partition_key", String(100), primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),  # the partition's end
    # The maintenance window that it fell into, as the file said then, or that nobody knew of it when it was
    # due; "": nothing, null: not asked yet.
    Column("excused_by", String(200), nullable=True),
    Index("due_moments_by_end", "ends_at"),
)

# What a partition of a Kusto table was filled from, by a function; see `kusto_fills`.
kusto_fills = Table(
    "kusto_fills",
    metadata,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),  # of the table
    Column("partition_key", String(100), nullable=False),
    Column("fill_id", String(64), nullable=False),
    Column("function", Text, nullable=False),
    Column("code", String(64), nullable=False),  # digest of the function and of what it reads
    Column("inputs", JSON, nullable=False),  # {export: {partition key: version and delivery}}
    Column("row_count", BigInteger, nullable=False),
    Column("tag", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("run_id", String(100), nullable=False),
    Column("filled_at", DateTime(timezone=True), nullable=False),
    Index("kusto_fills_by_table", "name", "partition_key", "id"),
)

# What stands in a database of Azure Data Explorer because we put it there; see `kusto_objects`.
kusto_objects = Table(
    "kusto_objects",
    metadata,
    Column("database", String(1500), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("name", String(1024), primary_key=True),
    Column("environment", String(100), nullable=False),
    Column("digest", Text, nullable=False),  # of what git says
    Column("held", String(64), nullable=False),  # of what the database then held
    Column("git_commit", String(64), nullable=False),
    Column("deployed_at", DateTime(timezone=True), nullable=False),
    Column("first_deployed_at", DateTime(timezone=True)),
)
