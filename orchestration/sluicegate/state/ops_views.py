"""Operations data as views over the records: what ran, what was promised, what the project says.

A view is `ops_<name>` beside the records' own tables, and on Postgres `ops.<name>` besides. Its columns are
documented here, and nowhere else: the page of them, Parquet files and contracts are made of these. Columns
are only ever added, at the end, as others' reports stand on them.

No value of the data is in a view, nor what a rule observed, nor words of vendors, of people or of errors.
Belongs here: views and their columns. Does not belong here: making them (`ops_made`), what reads them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sluicegate.state.ops_model import Column, Dialect, Type, View

_T, _I, _N, _B, _D, _AT = (
    Type.TEXT, Type.INTEGER, Type.NUMBER, Type.BOOLEAN, Type.DATE, Type.TIMESTAMP,
)  # fmt: skip
_KEY_OF_PARTITION = Column("partition_key", _T, "The partition, by its key; empty of what has none.")
_RUN = Column("run_id", _T, "The run, by its id in Dagster.")
_VERSION = Column("version", _T, "The version of the table.")
_RELATION = Column("relation", _T, "The table, as `schema.name`.")
_EXPORT = Column("export", _T, "The export, by its name.")
_OWNER = Column("owner", _T, "Who answers for it, as the project's file says.")
_FILE = Column("file", _T, "The file that says so, in the project directory.")


def _seconds(name: str, description: str) -> Column:
    return Column(name, _N, description, "seconds")


def _rows(name: str, description: str) -> Column:
    return Column(name, _I, description, "rows")


def _day(of: str) -> Column:
    return Column("day", _D, f"The day (UTC) on which {of}.")


# Before the first look nothing says what the project has.
_NO_PROJECT = "not exists (select 1 from reported_tables)"
_COLLECTED = Column("collected_at", _AT, "When it was put on record here.")


def _view(
    name: str, about: str, columns: tuple[Column, ...], key: str, sql: Callable[[Dialect], str], **more: Any
) -> View:
    own = Column("deployment", _T, "The deployment whose fact it is, by its id (`sluice env show`).")
    return View(name, about, (own, *columns), tuple(key.split()), sql, **more)


_FACTS = (
    _view(
        "runs", "Runs of Dagster that have ended, whoever started them.",
        (
            _RUN,
            Column("job", _T, "Dagster's job; `assets` of one that builds or sends."),
            _KEY_OF_PARTITION,
            Column("started_by", _T, "`command`, `sensor <name>`, `schedule <name>`, or `person`."),
            Column("status", _T, "`success`, `failure` or `canceled`."),
            Column("queued_at", _AT, "When Dagster made it."),
            Column("started_at", _AT, "When its first step could begin; empty of one that never began."),
            Column("ended_at", _AT, "When it ended."),
            _seconds("seconds", "How long it was at work."),
            _seconds("wait_seconds", "How long it waited for its start."),
            Column("retry_of", _T, "The run that Dagster started again as this one; else empty."),
            Column("failed_step", _T, "The first step that failed; else empty."),
            _day("it ended"), _COLLECTED,
        ), "run_id",
        lambda q: f"""select run_id, job, partition_key, started_by, status, queued_at, started_at, ended_at,
            {q.seconds("started_at", "ended_at")} as seconds,
            {q.seconds("queued_at", "started_at")} as wait_seconds,
            retry_of, failed_step, {q.day("ended_at")} as day, collected_at from reported_runs""",
        written="collected_at",
        aged_by="ended_at",
    ),
    _view(
        "steps", "Steps of these runs: one a table that is built, or an export that is sent.",
        (
            _RUN,
            Column("step", _T, "The step, by its key in Dagster."),
            Column("kind", _T, "`source`, `model`, `export` or `other`."),
            Column("name", _T, "The table, or the export; the step itself of another kind."),
            _KEY_OF_PARTITION,
            Column("status", _T, "`success`, `failure`, `skipped`, or `unknown` of one that never ended."),
            Column("started_at", _AT, "When it first began."),
            Column("ended_at", _AT, "When it last ended."),
            _seconds("seconds", "From its first begin to its last end."),
            Column("attempts", _I, "How often it began.", "attempts"),
            Column("error_class", _T, "The class of the error that it failed with; else empty."),
            _day("its run ended"), _COLLECTED,
        ), "run_id step",
        lambda q: f"""select s.run_id, s.step, s.kind, s.name, r.partition_key, s.status, s.started_at,
            s.ended_at, s.seconds, s.attempts, s.error_class, {q.day("r.ended_at")} as day, r.collected_at
            from reported_steps as s join reported_runs as r on r.run_id = s.run_id""",
        written="collected_at",
        aged_by="day",
    ),
    _view(
        "drops", "What providers have landed, each time.",
        (
            Column("source", _T, "The source, by its contract's name."),
            _KEY_OF_PARTITION,
            Column("ordinal", _I, "The n-th drop of that partition, from 1."),
            Column("size", _I, "What its files have together.", "bytes"),
            Column("empty", _B, "Whether a later drop closed the partition, which had none."),
            Column("landed_at", _AT, "When it was seen."),
            _day("it landed"),
        ), "source partition_key ordinal",
        lambda q: f"""select source, partition_key, ordinal, size_bytes as size, file is null as empty,
            landed_at, {q.day("landed_at")} as day from drops""",
        written="landed_at",
    ),
    _view(
        "volumes", "Each time that a partition of a table was written, and how many rows it has since.",
        (
            _RELATION, _KEY_OF_PARTITION, _VERSION,
            _rows("row_count", "What the partition holds."),
            _RUN,
            Column("built_at", _AT, "When it was written."),
            Column("build", _I, "The number of the build, which tells two of one version apart."),
            _day("it was written"),
        ), "build",
        lambda q: f"""select relation, partition_key, version, row_count, run_id, built_at, id as build,
            {q.day("built_at")} as day from builds where substr(run_id, 1, 10) <> 'inherited:'""",
        written="built_at",
    ),
    _view(
        "verdicts", "What each check said: of a contract, a suite or a data test of dbt.",
        (
            _RELATION, _KEY_OF_PARTITION,
            Column("check_name", _T, "The check, by its name in Dagster."),
            _VERSION,
            Column("passed", _B, "Whether it passed."),
            _RUN,
            Column("judged_at", _AT, "When it judged."),
            Column("verdict", _I, "The number of the verdict."),
            _day("it judged"),
        ), "verdict",
        lambda q: f"""select relation, partition_key, check_name, version, passed, run_id, judged_at,
            id as verdict, {q.day("judged_at")} as day from evidence
            where substr(run_id, 1, 10) <> 'inherited:'""",
        written="judged_at",
    ),
    _view(
        "rules", "What each rule of a suite said in a judgement; neither values nor what was observed.",
        (
            _RUN, _RELATION, _KEY_OF_PARTITION,
            Column("check_name", _T, "The check, by its name in Dagster."),
            _VERSION,
            Column("judgement", _I, "The number of the judgement."),
            Column("rule_number", _I, "Its place in the suite, from 0."),
            Column("type", _T, "The expectation's type, as Great Expectations calls it."),
            Column("severity", _T, "`critical` or `warning`."),
            Column("outcome", _T, "What became of it."),
            _rows("row_count", "How many it was asked of."),
            _rows("failing_rows", "How many of them broke it."),
            Column("judged_at", _AT, "When it judged."),
            _day("it judged"),
        ), "judgement rule_number",
        lambda q: f"""select j.run_id, j.relation, j.partition_key, j.check_name, j.version,
            j.id as judgement, r.rule_number, r.type, r.severity, r.outcome, r.row_count, r.failing_rows,
            j.judged_at, {q.day("j.judged_at")} as day
            from rule_results as r join judgements as j on j.id = r.judgement_id""",
        written="judged_at",
    ),
    _view(
        "deliveries", "Each plan to send a partition of an export, and what became of it.",
        (
            Column("delivery_id", _T, "The plan, by its id."),
            _EXPORT, _KEY_OF_PARTITION, _VERSION,
            Column("kind", _T, "`change`, or what a person asked for: `resync`, `redeliver`."),
            Column("mode", _T, "How the destination is written: `append`, `upsert`, `mirror`, `snapshot`."),
            Column("status", _T, "Where it stands: `acknowledged` is there, see `DeliveryStatus`."),
            _RUN,
            Column("planned_at", _AT, "When it was planned."),
            Column("decided_at", _AT, "When a person decided on it; else empty."),
            Column("acknowledged_at", _AT, "When the destination had all of it; else empty."),
            _seconds("seconds", "From plan to acknowledgement; what waited for a person, too."),
            _rows("row_count", "What the destination holds of it, once all is taken."),
            _rows("added", "New ones."), _rows("changed", "Changed ones."),
            _rows("removed", "Removed ones."), _rows("refused", "Those that the destination refused."),
            _day("it was planned"),
        ), "delivery_id",
        lambda q: f"""select delivery_id, export, partition_key, version,
            case when kind = '' then 'change' else kind end as kind, mode, status, run_id, planned_at,
            decided_at, case when status = 'acknowledged' then acknowledged_at end as acknowledged_at,
            case when status = 'acknowledged' then {q.seconds("planned_at", "acknowledged_at")} end
            as seconds, row_count, added, changed, removed, refused, {q.day("planned_at")} as day
            from deliveries""",
        written="planned_at",
        open="status in ('planned', 'held', 'approved', 'sending')",
    ),
    _view(
        "promises", "By when each partition had to be there, of sources and exports, and whether it was.",
        (
            Column("kind", _T, "`source` or `export`."),
            Column("name", _T, "The source, or the export."),
            _KEY_OF_PARTITION,
            Column("ends_at", _AT, "When the partition ended."),
            Column("due_at", _AT, "By when it had to be there, as the file said when it ended."),
            Column(
                "arrived_at", _AT,
                "When it first was there: landed, or acknowledged. Of an export that sends the newest alone,"
                " a newer partition's acknowledgement counts as well. Empty: not yet.",
            ),
            Column("verdict", _T, "`met`, `missed`, `excused`, or `pending` as it is not due yet."),
            Column("excused_by", _T, "The maintenance window in which it was due, or why else; else empty."),
            _seconds("lead_seconds", "How long before it was due it was there; less than 0 after it."),
            _day("it was due"),
        ), "kind name partition_key",
        lambda q: f"""
            with said as (
                select kind, name, partition_key, ends_at, due_at, excused_by, null as moment, 0 as alone
                from due_moments
                union all
                select 'delivery', export, partition_key, null, null, null, acknowledged_at,
                    case when scope = '' then 1 else 0 end
                from deliveries where status = 'acknowledged'
                union all
                select 'source', source, partition_key, null, null, null, landed_at, 0 from drops
            ), each_one as (
                select kind, name, partition_key, max(ends_at) as ends_at, max(due_at) as due_at,
                    max(excused_by) as excused_by, min(moment) as own_at,
                    min(case when alone = 1 then moment end) as alone_at
                from said group by kind, name, partition_key
            ), beside as (
                select each_one.*, min(alone_at) over (
                    partition by kind, name order by partition_key
                    rows between 1 following and unbounded following) as newer_at
                from each_one
            ), known as (
                select case when kind = 'source' then kind else 'export' end as kind, name, partition_key,
                    ends_at, due_at, excused_by,
                    case when newer_at < own_at or own_at is null then newer_at else own_at end as arrived_at
                from beside where due_at is not null
            )
            select kind, name, partition_key, ends_at, due_at, arrived_at,
                case when due_at > {q.now} then 'pending'
                    when coalesce(excused_by, '') <> '' then 'excused'
                    when arrived_at <= due_at then 'met' else 'missed' end as verdict,
                coalesce(excused_by, '') as excused_by,
                {q.seconds("arrived_at", "due_at")} as lead_seconds, {q.day("due_at")} as day
            from known""",
        written="due_at",
        open="arrived_at is null or verdict = 'pending'",
        late_days=32,  # a look looks back 31 days
        aged_by="ends_at",
    ),
    _view(
        "incidents", "What was wrong, from when to when.",
        (
            Column("incident", _I, "The incident, by its number."),
            Column("root_kind", _T, "What it was with: a table, a source, a delivery, a connection …"),
            Column("root_name", _T, "The name of that."),
            _KEY_OF_PARTITION,
            Column("urgency", _T, "`info`, `warning`, `error` or `critical`."),
            _OWNER,
            Column("opened_at", _AT, "When it was found."),
            Column("due_at", _AT, "The nearest deadline of what it held up; else empty."),
            Column("acknowledged_at", _AT, "When a person took it on; else empty."),
            Column("resolved_at", _AT, "When it was right again; empty: it is not yet."),
            _seconds("seconds", "How long it was open."),
            Column("held_exports", _I, "How many partitions of exports waited for it.", "partitions"),
            _day("it was found"),
        ), "incident",
        lambda q: f"""select id as incident, root_kind, root_name, partition_key, urgency, owner, opened_at,
            due_at, acknowledged_at, resolved_at, {q.seconds("opened_at", "resolved_at")} as seconds,
            json_array_length(affected) as held_exports, {q.day("opened_at")} as day from incidents""",
        written="opened_at",
        open="resolved_at is null",
        aged_by="resolved_at",
    ),
)  # fmt: skip

_DEFINITIONS = (
    _view(
        "contracts", "The sources, as their contracts say.",
        (
            Column("source", _T, "The source."), Column("version", _T, "The contract's version."),
            Column("grain", _T, "How it is cut."), _OWNER,
            Column("provider", _T, "Who sends it."),
            _seconds("latency_seconds", "How long after a partition's end it lands at the latest."),
            _seconds("frequency_seconds", "How often a drop lands."),
            _seconds("max_age_seconds", "How old its newest may be when something is sent."), _FILE,
        ), "source", lambda _: "select * from reported_contracts",
    ),
    _view(
        "tables", "The tables of the warehouse.",
        (
            _RELATION, Column("kind", _T, "`source` or `model`."), Column("grain", _T, "How it is cut."),
            Column("stage", _T, "`production` or `work`."), _OWNER, _FILE,
        ), "relation", lambda _: "select * from reported_tables",
    ),
    _view(
        "exports", "The exports, as their files say.",
        (
            _EXPORT, _RELATION, Column("destination", _T, "The type of its destination."),
            Column("connection", _T, "The name of its connection."),
            Column("mode", _T, "How the destination is written."),
            Column("partitions", _T, "`each`, or `latest`: the newest alone is there."),
            Column("stage", _T, "`production` or `work`."),
            _seconds("deadline_seconds", "How long after a partition's end it is due; empty: no promise."),
            _OWNER, _FILE,
        ), "export", lambda _: "select * from reported_exports",
    ),
    _view(
        "owners", "Who answers for what.",
        (
            _OWNER, Column("kind", _T, "`source`, `table` or `export`."),
            Column("name", _T, "The name of that."),
            Column("channel", _T, "Where they talk; else empty."),
        ), "owner kind name", lambda _: "select * from reported_owners",
    ),
    _view(
        "lineage", "Which table is made of which.",
        (
            _RELATION, Column("parent", _T, "A table that it reads."),
            Column("trailing_days", _I, "How many days of it: 1 is the partition's own.", "days"),
            Column("by_test", _B, "Whether only its data tests read it."),
        ), "relation parent", lambda _: "select * from reported_lineage",
    ),
    _view(
        "checks", "The checks that block, and by which rules.",
        (
            _RELATION, Column("check_name", _T, "The check, by its name in Dagster."),
            Column("rules", _T, "A digest of what it judges by."),
        ), "relation check_name", lambda _: "select * from reported_checks",
    ),
)  # fmt: skip

_ANSWERS = (
    _view(
        "sla", "What was promised of each export in a month, and kept.",
        (
            _EXPORT, Column("month", _T, "The month (UTC) in which it was due, as 2026-05."),
            Column("promised", _I, "Those that count: met and missed.", "partitions"),
            Column("met", _I, "Those that were there in time.", "partitions"),
            Column("missed", _I, "Those that were not.", "partitions"),
            Column("excused", _I, "Those due in a maintenance window, which count nowhere.", "partitions"),
            Column("attainment", _N, "met / promised; empty where nothing counts.", "from 0 to 1"),
        ), "export month",
        lambda q: f"""select export, month, met + missed as promised, met, missed, excused,
            cast(met as double precision) / nullif(met + missed, 0) as attainment from (
                select name as export, {q.month("due_at")} as month,
                    sum(case when verdict = 'met' then 1 else 0 end) as met,
                    sum(case when verdict = 'missed' then 1 else 0 end) as missed,
                    sum(case when verdict = 'excused' then 1 else 0 end) as excused
                from ops_promises where kind = 'export' and verdict <> 'pending'
                group by name, {q.month("due_at")}) as counted""",
    ),
    _view(
        "late_now",
        "What should be there by now and is not, of the last 31 days; neither what a person has"
        " rejected, nor what has no connection, nor what the project has no more.",
        (
            Column("kind", _T, "`source` or `export`."), Column("name", _T, "The source, or the export."),
            _KEY_OF_PARTITION, Column("due_at", _AT, "By when it had to be there."),
            _seconds("late_seconds", "How long that is ago."), _OWNER,
            Column("excused_by", _T, "The maintenance window in which it was due, or why else; else empty."),
        ), "kind name partition_key",
        lambda q: f"""select p.kind, p.name, p.partition_key, p.due_at,
            {q.seconds("p.due_at", q.now)} as late_seconds, coalesce(o.owner, '') as owner, p.excused_by
            from ops_promises as p left join (
                select kind, name, min(owner) as owner from reported_owners group by kind, name
            ) as o on o.kind = p.kind and o.name = p.name
            where p.arrived_at is null and p.verdict <> 'pending' and p.ends_at > {q.month_ago}
            and (p.kind = 'source' and p.name in (select source from reported_contracts)
                or p.kind = 'export' and p.name in (select export from reported_exports)
                or {_NO_PROJECT})
            and not exists (select 1 from deliveries as d where p.kind = 'export' and d.export = p.name
                and d.partition_key = p.partition_key and d.status = 'rejected')
            and not exists (select 1 from reported_exports as e join connections as c
                on c.name = e.connection where p.kind = 'export' and e.export = p.name and not c.there
                and (c.served or not exists (
                    select 1 from connections as s where s.name = c.name and s.served)))""",
    ),
    _view(
        "held_now",
        "What is not sent although it is there: the gate or a limit holds it; of the project's exports.",
        (
            _EXPORT, _KEY_OF_PARTITION,
            Column("held_by", _T, "`gate`, or `limit`: a person decides (`sluice delivery approve`)."),
            Column("held_at", _AT, "Since when."), _seconds("seconds", "How long that is."), _OWNER,
        ), "export partition_key held_by",
        lambda q: f"""select h.export, h.partition_key, h.held_by, h.held_at,
            {q.seconds("h.held_at", q.now)} as seconds, coalesce(e.owner, '') as owner
            from (select export, partition_key, 'gate' as held_by, held_at from holds
                union all select export, partition_key, 'limit', max(planned_at) from deliveries
                where status = 'held' group by export, partition_key) as h
            left join reported_exports as e on e.export = h.export
            where e.export is not null or {_NO_PROJECT}""",
    ),
    _view(
        "duration_trend", "How long the steps of each table and export took, by day.",
        (
            Column("kind", _T, "`source`, `model`, `export` or `other`."),
            Column("name", _T, "The table, or the export."), _day("their runs ended"),
            Column("steps", _I, "How many went well.", "steps"),
            _seconds("p50_seconds", "Half of them took no longer."),
            _seconds("p95_seconds", "95 of 100 took no longer."),
            _seconds("max_seconds", "The longest."),
        ), "kind name day",
        lambda _: """select kind, name, day, count(*) as steps,
            min(case when place >= 0.5 * of_all then seconds end) as p50_seconds,
            min(case when place >= 0.95 * of_all then seconds end) as p95_seconds,
            max(seconds) as max_seconds from (
                select kind, name, day, seconds,
                    row_number() over (partition by kind, name, day order by seconds) as place,
                    count(*) over (partition by kind, name, day) as of_all
                from ops_steps where status = 'success' and seconds is not null) as ranked
            group by kind, name, day""",
    ),
    _view(
        "volume_trend", "How many rows each partition of a table has, and the one before it had.",
        (
            _RELATION, _KEY_OF_PARTITION, _rows("row_count", "As it was last written."),
            _rows("before", "Of the partition before it, by its key; empty of the first."),
            Column("builds", _I, "How often it was written.", "times"),
            Column("built_at", _AT, "When last."),
        ), "relation partition_key",
        lambda _: """select v.relation, v.partition_key, v.row_count,
            lag(v.row_count) over (partition by v.relation order by v.partition_key) as before, n.builds,
            v.built_at from ops_volumes as v join (
                select relation, partition_key, max(build) as build, count(*) as builds
                from ops_volumes group by relation, partition_key) as n on n.build = v.build""",
    ),
)  # fmt: skip
# Each after what it reads.
VIEWS: Mapping[str, View] = {view.name: view for view in (*_FACTS, *_DEFINITIONS, *_ANSWERS)}
FACTS: Mapping[str, View] = {view.name: view for view in _FACTS}
DEFINITIONS: Mapping[str, View] = {view.name: view for view in _DEFINITIONS}
