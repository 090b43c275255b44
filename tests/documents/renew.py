"""Write the pages that are made from code: `python -m tests.documents.renew`. Review the difference."""

import sys

from tests.documents.commands import PAGE, page


def main() -> None:
    """Write each page."""
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
