"""What each command prints with `--json`: its keys, which stay, and what they mean.

Belongs here: the keys by command, of which `docs/commands.md` is made; `test_json` compares them with what is
printed. Does not: what has a JSON Schema of its own in `docs/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Printed:
    """What is printed: `keys` are of the object, or of each object of the list; `rows` names a list in it."""

    keys: Mapping[str, str]
    many: bool = False
    rows: Mapping[str, Mapping[str, str]] | None = None


_PLACE = {"table": "The table, as staging.stg_sales.", "partition": "Its partition; empty without one."}
_DELIVERY = {
    "delivery": "Its id.",
    "export": "The export.",
    "partition": "The partition; empty of an export that is not partitioned.",
}
_INCIDENT = {
    "id": "Its number.",
    "status": "open, acknowledged, snoozed or resolved.",
    "urgency": "info, warning, error or critical.",
    "kind": "What the cause is of: source, table, export, platform.",
    "name": "Its name.",
    "partition": "Its partition; empty without one.",
    "owner": "Who answers for it.",
    "acknowledged_by": "Who took it on.",
    "resolution": "Why it ended.",
    "opened_at": "Since when, in UTC.",
    "updated_at": "When it last changed.",
    "due_at": "When the first delivery that it holds up is due.",
    "resolved_at": "When it ended; null while it is open.",
    "acknowledged_at": "When somebody said so.",
    "snoozed_until": "Until when nobody is told.",
    "findings": "What is wrong: `what`, `fix`, `kind`, `run_id`, `step`.",
    "affected": "What waits: `export`, `partition_key`, `due_at`.",
    "events": "What became of it: `at`, `what`, `by`, `text`; of `incident show` alone.",
    "messages": "Who was told: `channel`, `what`, `status`, `why`; of `incident show` alone.",
}

PRINTED: Mapping[str, Printed] = {
    "status": Printed(
        {
            "rows": "A line of each source, export and fill, by partition.",
            "needs_attention": "How many of them need attention.",
            "staging": "What is wrong in staging, as texts.",
        },
        rows={
            "rows": {
                "kind": "source, export or fill.",
                "name": "Its name.",
                "partition": "Its partition; empty without one.",
                "standing": "Where it stands, as the runbook lists.",
                "rows": "How many rows it has; null where that is not known.",
                "why": "Why, or where it went.",
                "needs_attention": "Whether somebody has to do something.",
            }
        },
    ),
    "why": Printed(
        {
            "export": "The export.",
            "partition": "Its partition; empty without one.",
            "open": "Whether it may go out.",
            "steps": "What to do: `reasons`, each once, and the `fix` of them.",
            "releases": "What was released, as texts.",
            "findings": "Each check that was asked for.",
        },
        rows={
            "findings": {
                **_PLACE,
                "check": "The check.",
                "verdict": "What it said, as passed.",
                "summary": "What was found.",
                "closes": "Whether it closes the gate.",
                "reason": "Whether it is told as a reason; false where another finding's fix repairs it.",
                "fix": "What to type.",
                "version": "The version of the table that was judged.",
                "judged_at": "When, in UTC.",
                "run_id": "The run that judged it.",
            }
        },
    ),
    "delivery plan": Printed(
        {
            "export": "The export.",
            "partition": "Its partition; empty without one.",
            "mode": "append, upsert, mirror or snapshot.",
            "rows": "How many rows the destination would hold.",
            "whole": "Whether every row is sent.",
            "counts": "How many are added, changed, removed, unchanged.",
            "fields": "How many changed rows have another value, by field.",
            "added": "Some rows, by field; values of classified columns are not shown.",
            "changed": "Some rows, by field: what was and what becomes.",
            "removed": "Some rows, by field.",
            "limits": "The limits that it passes, as texts.",
            "gate_open": "Whether it may go out; null where the gate was not asked.",
            "reasons": "Why not, as texts.",
            "expired": "What has expired, and holds it whatever the data are.",
            "overtaken_by": "The newer partition that the destination holds; or empty.",
            "delivery": "The delivery on record that this is; or empty.",
            "to_type": "What it waits for; or empty.",
        }
    ),
    "delivery list": Printed(
        {
            **_DELIVERY,
            "kind": "change, resync or redeliver.",
            "status": "planned, held, approved, sending, acknowledged and so on.",
            "rows": "How many rows the destination holds after it.",
            "added": "How many are new.",
            "changed": "How many have other values.",
            "removed": "How many go.",
            "refused": "How many the destination refused.",
            "planned_at": "When, in UTC.",
            "acknowledged_at": "When the destination had taken it; or null.",
            "reasons": "Why it is held, as texts.",
            "decided_by": "Who decided.",
            "decision": "Why.",
            "planned_anew": "Whether the next delivery plans it anew.",
            "to_type": "What it waits for; or empty.",
        },
        many=True,
    ),
    "delivery refusals": Printed(
        {
            "partition": "The partition; empty where the destination holds one alone.",
            "key": "The row's key, by field; values of classified columns are not shown.",
            "code": "The vendor's code.",
            "said": "What the vendor said.",
            "tries": "How often it was tried.",
            "since": "Since when it is refused.",
            "next_try": "When it is tried again; null where it was given up.",
        },
        many=True,
    ),
    "delivery content": Printed(
        {
            "export": "The export.",
            "at": "The moment, in UTC.",
            "partitions": "What the destination held then.",
        },
        rows={
            "partitions": {
                "partition": "The partition.",
                "rows": "How many rows.",
                "delivery": "The last delivery before.",
            }
        },
    ),
    "delivery forget": Printed(
        {
            "exports": "What was done, by export.",
            "published": "What was done to published tables, as text.",
            "to_fill_again": "Tables of functions that still have the rows until they are filled.",
        },
        rows={
            "exports": {
                "export": "The export.",
                "keys": "How many keys were forgotten; not which.",
                "done": "What was done, as text.",
                "by_hand": "Whether a person has to take rows out there.",
                "problem": "Whether something is left to do.",
            }
        },
    ),
    "export last-mile": Printed(
        {
            "export": "The export.",
            "rule": "The filter or mapping.",
            "owner": "Who answers for it.",
            "reason": "Why it is there.",
            "issue": "Where it is discussed.",
            "expires": "Its last day.",
            "days_left": "How many days that is away; less than 0 once it has expired.",
        },
        many=True,
    ),
    "export contract": Printed(
        {"contract": "The contract, as ODCS has it.", "changes": "What changed since the earlier one."}
    ),
    "contract diff": Printed(
        {
            "against": "What it was compared with.",
            "changes": "What changed: `file`, `line`, `weight`, `what`, `affects`.",
            "problems": "Where a version does not say so.",
        }
    ),
    "incident list": Printed(_INCIDENT, many=True),
    "explain": Printed(
        {
            "code": "The code, as SLU-D002.",
            "title": "What is wrong.",
            "area": "The page of the runbook.",
            "runbook": "Where its entry is.",
            "see": "How it shows.",
            "why": "Where it comes from.",
            "do": "What else to do; mostly empty.",
            "click": "Where to click.",
            "type": "What to type.",
            "done": "How one sees that it is over.",
        },
        many=True,
    ),
    "incident show": Printed(_INCIDENT),
    "incident mutes": Printed(
        {
            "number": "Its number, for `sluice incident unmute`.",
            "what": "What is muted: `name`, and `partition_key` if one alone.",
            "until": "Until when, in UTC.",
            "by": "Who did it.",
            "reason": "Why.",
        },
        many=True,
    ),
    "alerts outbox": Printed(
        {
            "channel": "The channel, as alerts.yaml names it.",
            "since": "Since when it waits.",
            "incident": "The incident's number; null of a message about several.",
            "what": "What became of the incident.",
            "status": "waiting or given up.",
            "tries": "How often it was tried.",
            "next_try": "When it is tried again; or null.",
            "why": "What the channel said.",
        },
        many=True,
    ),
    "source quarantine": Printed(
        {
            "table": "The table of quarantined rows.",
            "total": "How many there are.",
            "rows": "The first of them, as many as --rows says.",
        },
        rows={
            "rows": {
                "partition_key": "The partition; empty of a snapshot.",
                "file": "The file.",
                "line": "The line in it.",
                "rules": "The rules that it breaks.",
                "raw": "The row, masked.",
                "drop_refused": "Whether the whole drop was refused.",
            }
        },
    ),
    "table judge": Printed(
        {
            "checks": "Each check that was asked.",
            "failures": "What could not be judged, as texts.",
            "ready": "What may be sent now: `export`, `partition`.",
        },
        rows={
            "checks": {
                **_PLACE,
                "check": "The check.",
                "passed": "Whether it passed.",
                "blocking": "Whether it holds exports.",
                "summary": "What was found.",
            }
        },
    ),
    "table outdated": Printed(
        {
            "older_sql": "What older SQL has built: `table`, `partitions`.",
            "lacking": "What was built without a day that has come since, as texts.",
        }
    ),
    "backup verify": Printed(
        {
            "backup": "Its name.",
            "taken_at": "When it was taken, in UTC.",
            "bytes": "Its size.",
            "files": "How many files.",
            "wrong": "What is wrong, as texts.",
            "notes": "What did not agree when it was taken.",
            "backups": "The names of all backups in the folder.",
        }
    ),
    "env publish": Printed(
        {
            "catalogue": "The number of the catalogue; null where nothing changed.",
            "published": "Tables and partitions that were published.",
            "taken_out": "Those that were taken out.",
            "refused": "Why a table could not be published, by table.",
        }
    ),
    "env list": Printed(
        {
            "environment": "Its name.",
            "made_by": "Who made it.",
            "days": "Its first and last day.",
            "as_of": "The catalogue that it was made from.",
            "until": "Its last day.",
            "stands": "Whether its time has ended.",
        },
        many=True,
    ),
    "env show": Printed(
        {
            "name": "Its name.",
            "made_by": "Who made it.",
            "data_directory": "Its data directory.",
            "catalogue": "The catalogue that it was made from.",
            "shelf": "Where that is published.",
            "days": "Its first and last day.",
            "until": "When it ends.",
            "built_here": "Tables that were built in it.",
            "outbox": "Exports whose deliveries are in its outbox.",
        }
    ),
    "ops publish": Printed(
        {
            "url": "Where it is published.",
            "written": "The files that were written.",
            "landed": "What was landed as a source.",
        }
    ),
}
# What these print has a JSON Schema, or is a table that another document describes.
ELSEWHERE: Mapping[str, str] = {
    "env diff": "diff.schema.json",
    "impact": "impact.schema.json",
    "ops show": "operations-data.md",
    "kusto plan": "kql.md",
    "kusto drift": "kql.md",
}
