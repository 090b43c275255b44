"""The `sluice` command.

Belongs here: arguments, tables, exit codes. Does not belong here: work; every command calls one stage.
Heavy things are imported inside the commands, so that `sluice --help` answers at once.
"""

from orchestration.cli import (
    backups,
    ci,
    contracts,
    deliveries,
    demos,
    diff,
    environments,
    environments_made,
    exports,
    impact,
    incidents,
    kusto,
    kusto_database,
    ops,
    pages,
    promoting,
    published,
    quarantine,
    repairs,
)
from orchestration.cli.main import BESIDE, app

_DAILY, _DEFINE, _OPERATE = "What came in, was built, is sent", "Define it", "Operate it"
_GROUPS = {
    "source": (quarantine.app, _DAILY),
    "table": (repairs.app, _DAILY),
    "delivery": (deliveries.app, _DAILY),
    "incident": (incidents.app, _DAILY),
    "contract": (contracts.app, _DEFINE),
    "export": (exports.app, _DEFINE),
    "kusto": (kusto.app, _DEFINE),
    "env": (environments.app, _DEFINE),
    "page": (pages.app, _OPERATE),
    "alerts": (incidents.alerts_app, _OPERATE),
    "backup": (backups.app, _OPERATE),
    "ops": (ops.app, _OPERATE),
}

app.add_typer(demos.app, name="demo", rich_help_panel=BESIDE)
for name, (group, panel) in _GROUPS.items():
    app.add_typer(group, name=name, no_args_is_help=True, rich_help_panel=panel)

__all__ = ["app", "ci", "diff", "environments_made", "impact", "kusto_database", "promoting", "published"]
