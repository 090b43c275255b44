"""The group of commands on KQL in git.

Belongs here: the group of commands. Does not belong here: those that ask the database (`kusto_database`).
"""

import typer

app = typer.Typer(help="KQL in git: functions, views and policies of a database of Azure Data Explorer.")
