"""Write the pages that are made from code: `python -m tests.documents.renew`. Review the difference."""

import sys

from tests.documents import answers, commands, impact_schema, values


def main() -> None:
    """Write each page."""
    for made in (commands, answers, values, impact_schema):
        made.PAGE.write_text(made.page())
        sys.stdout.write(f"{made.PAGE}\n")


if __name__ == "__main__":
    main()
