"""Write the pages that are made from code: `python -m tests.documents.renew`. Review the difference."""

import sys

from sluicegate.comparing import report as diff_report
from sluicegate.core.settings import REPOSITORY
from sluicegate.incidents import alerts_schema
from sluicegate.kusto import database_file
from sluicegate.project import environments_file
from sluicegate.review import review

from tests.documents import answers, commands, impact_schema, operations, rules, runbook, values


def main() -> None:
    """Write each page."""
    for made in (commands, answers, values, impact_schema, operations, rules):
        made.PAGE.write_text(made.page())
        sys.stdout.write(f"{made.PAGE}\n")
    for page, text in runbook.pages().items():
        page.write_text(text)
        sys.stdout.write(f"{page}\n")
    for schema in (alerts_schema, environments_file, database_file, diff_report, review):
        page = REPOSITORY / schema.SCHEMA_FILE
        page.write_text(schema.schema_text())
        sys.stdout.write(f"{page}\n")


if __name__ == "__main__":
    main()
