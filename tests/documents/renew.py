"""Write the pages that are made from code: `python -m tests.documents.renew`. Review the difference."""

import sys

from orchestration.core.settings import REPOSITORY
from orchestration.incidents.alerts_schema import SCHEMA_FILE, schema_text
from tests.documents import answers, commands, values


def main() -> None:
    """Write each page."""
    for made in (commands, answers, values):
        made.PAGE.write_text(made.page())
        sys.stdout.write(f"{made.PAGE}\n")
    schema = REPOSITORY / SCHEMA_FILE
    schema.write_text(schema_text())
    sys.stdout.write(f"{schema}\n")


if __name__ == "__main__":
    main()
