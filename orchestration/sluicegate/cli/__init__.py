"""The `sluice` command.

Belongs here: arguments, tables, exit codes. Does not belong here: work; every command calls one stage.
Heavy things are imported inside the commands, so that `sluice --help` answers at once.
"""

from sluicegate.cli import (
    backups,
    ci,
    contracts,
    deliveries,
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
from sluicegate.cli.main import app

app.add_typer(incidents.app, name="alerts", no_args_is_help=True)
app.add_typer(backups.app, name="backup", no_args_is_help=True)
app.add_typer(contracts.app, name="contract", no_args_is_help=True)
app.add_typer(environments.app, name="env", no_args_is_help=True)
app.add_typer(exports.app, name="export", no_args_is_help=True)
app.add_typer(kusto.app, name="kusto", no_args_is_help=True)
app.add_typer(ops.app, name="ops", no_args_is_help=True)

__all__ = [
    "app",
    "ci",
    "deliveries",
    "diff",
    "environments_made",
    "explain",
    "impact",
    "kusto_database",
    "pages",
    "promoting",
    "published",
    "quarantine",
    "repairs",
]
