"""Kiosks for the sequences: made once a test process, and copied for each.

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
from tests.gate.model.steps import Land, LandStalls, Run, Step

_OPEN = (LandStalls((1, 2, 3)), Land(MON, (1, 2)), Land(TUE, (3, 1)), Run())
_BUILT = (Land(WED, (2, 2)), Run(connected=False))


class Kiosks:
    """Copies of two kiosks: `opened`, whose Monday and Tuesday are delivered, and `built`.

    To `built` Wednesday has come as well: its tables are built and judged, and nothing of it is sent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._project = ProjectDirectory(folder)
        opened = self._made("opened", None, _OPEN)
        self._made_before = {"opened": opened, "built": self._made("built", opened, _BUILT)}

    @contextmanager
    def copy_of(self, name: str) -> Generator[Kiosk]:
        """Open a copy, on a directory that goes at the end."""
        with TemporaryDirectory(dir=self._folder, prefix="copy_") as place:
            kiosk = Kiosk(self._project, Path(place), self._made_before[name])
            yield kiosk
            kiosk.close()

    def _made(self, name: str, copy_of: Kiosk | None, steps: tuple[Step, ...]) -> Kiosk:
        kiosk = Kiosk(self._project, self._folder / name, copy_of)
        interpreter = Interpreter(kiosk)
        for step in steps:
            interpreter.do(step)
        kiosk.close()
        return kiosk


@pytest.fixture(scope="session")
def kiosks(tmp_path_factory: pytest.TempPathFactory) -> Kiosks:
    """The kiosks of this process."""
    return Kiosks(tmp_path_factory.mktemp("kiosks"))
