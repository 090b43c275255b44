"""Links into Dagster's UI for what is advised: a job with its fields filled in, a check's page.

Belongs here: where the UI has what. Does not belong here: what is advised (`gate.findings`), what the jobs
do (`operations`). The UI must stand at the root of its host; below a path, the jobs are found by hand.
"""

import json
import re
import shlex
from collections.abc import Mapping
from urllib.parse import quote

# As workspace.yaml names the code location.
_LOCATION = "sluice"
_OPS = {"rerun": "rerun_partitions", "judge": "judge_partitions", "release": "release_partition"}
_COMMAND = re.compile(r"`sluice table ((?:rerun|judge) [^`]*)`")


def job_link(advice: str) -> tuple[str, str] | None:
    """Return what to click for what an advice says to type, and its address; None where no job does it."""
    found = _COMMAND.search(advice)
    if found is None:
        return None
    job, table, *options = shlex.split(found[1])
    named = dict(zip(options[::2], options[1::2], strict=False))
    first = named.get("--from", named.get("--partition", ""))
    fields = {"table": table, "from_partition": first, "to_partition": named.get("--to", "")}
    given: dict[str, str | bool] = {name: value for name, value in fields.items() if value}
    given |= {"with_parents": True} if "--with-parents" in options else {}
    return f"{job} {table}" + (f" [{first}]" if first else ""), _launchpad(job, given)


def release_link(export: str, partition_key: str) -> tuple[str, str]:
    """Return what to click to let a partition of an export pass, and its address; a person fills in why."""
    given = {"export": export, "partition": partition_key, "reason": "", "by": "", "until": ""}
    where = f"{export} [{partition_key}]" if partition_key else export
    return f"release {where}", _launchpad("release", given)


def check_address(asset: str, check: str) -> str:
    """Return where the UI shows a check; no address leads to its history, which is one click on."""
    return f"/assets/{asset}?view=checks&checkDetail={check}"


def _launchpad(job: str, fields: Mapping[str, str | bool]) -> str:
    lines = "".join(f"      {name}: {json.dumps(value)}\n" for name, value in fields.items())
    config = quote(f"ops:\n  {_OPS[job]}:\n    config:\n{lines}", safe="")
    return f"/locations/{_LOCATION}/jobs/{job}/playground/setup?mode=default&config={config}"
