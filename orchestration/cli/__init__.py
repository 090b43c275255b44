"""The `sluice` command.

Belongs here: arguments, tables, exit codes. Does not belong here: work; every command calls one stage.
Heavy things are imported inside the commands, so that `sluice --help` answers at once.
"""

from orchestration.cli.main import app

__all__ = ["app"]
