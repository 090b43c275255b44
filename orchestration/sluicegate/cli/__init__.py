"""The `sluice` command.

Belongs here: arguments, tables, exit codes. Does not belong here: work; every command calls one stage.
Heavy things are imported inside the commands, so that `sluice --help` answers at once.
"""

from sluicegate.cli import (
    backups,
    ci,
    contracts,
    deliveries,
    demos,
    diff,
    environments,
    environments_made,
    explain,
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
from sluicegate.cli.main import BESIDE, app

_NOUNS = "Commands of one thing: sluice GROUP --help"
_GROUPS = {
    "source": quarantine.app,
    "table": repairs.app,
    "delivery": deliveries.app,
    "incident": incidents.app,
    "contract": contracts.app,
    "export": exports.app,
    "kusto": kusto.app,
    "env": environments.app,
    "page": pages.app,
    "alerts": incidents.alerts_app,
    "backup": backups.app,
    "ops": ops.app,
}

app.add_typer(demos.app, name="demo", rich_help_panel=BESIDE)
for name, group in _GROUPS.items():
    app.add_typer(group, name=name, no_args_is_help=True, rich_help_panel=_NOUNS)

__all__ = [
    "app",
    "ci",
    "diff",
    "environments_made",
    "explain",
    "impact",
    "kusto_database",
    "promoting",
    "published",
]
