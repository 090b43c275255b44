"""Write the graphs' shapes anew after a change that was meant: `python -m tests.graph.renew`.

Review the difference as you would code.
"""

import json
import sys

from tests.graph.shape import COMPANIES, company_shape, snapshot_file


def main() -> None:
    """Write one file a company."""
    for company in COMPANIES:
        file = snapshot_file(company)
        file.write_text(json.dumps(company_shape(company), indent=2) + "\n")
        sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
