"""A kiosk for the sequences: made once a test process, and copied for each.

Belongs here: preparing. Does not: any expectation.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.gate.model.company import Kiosk
from tests.gate.model.facts import MON, TUE, WED
from tests.gate.model.interpreter import Interpreter
from tests.gate.model.project import ProjectDirectory
from tests.gate.model.steps import Land, LandStalls, Run

_BEGINNING = (
    LandStalls((1, 2, 3)),
    Land(MON, (1, 2)),
    Land(TUE, (3, 1)),
    Run(),
    Land(WED, (2, 2)),
    Run(connected=False),
)


class Kiosks:
    """Copies of a kiosk whose Monday and Tuesday are delivered.

    Its Wednesday's tables are built and judged, and nothing of it is sent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project = ProjectDirectory(folder)
        self._first = Kiosk(self._project, folder / "first")
        interpreter = Interpreter(self._first)
        for step in _BEGINNING:
            interpreter.do(step)
        self._first.close()

    @contextmanager
    def copy(self) -> Generator[Kiosk]:
        """Open a copy, on a directory that goes at the end."""
        with TemporaryDirectory(dir=self._folder, prefix="copy_") as place:
            kiosk = Kiosk(self._project, Path(place), self._first)
            yield kiosk
            kiosk.close()


@pytest.fixture(scope="session")
def kiosks(tmp_path_factory: pytest.TempPathFactory) -> Kiosks:
    """The kiosks of this process."""
    return Kiosks(tmp_path_factory.mktemp("kiosks"))
