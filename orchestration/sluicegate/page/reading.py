"""The project directory as the page knows it: read in the background, and anew once its files are others.

A page never waits for it. While it is read, or where it does not load, what is on record is shown, and what
is wrong is said. Belongs here: that. Does not belong here: the project's rules (`project`).
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sluicegate.core.problems import ProjectChanged, ProjectError
from sluicegate.core.settings import Settings
from sluicegate.project.loading import Project, load_project
from sluicegate.transformation.identity import ProjectIdentity

# The files are looked at again after so long at most, by whoever asks for a page.
_SECONDS = 5.0


@dataclass(frozen=True)
class Read:
    """What was read last: the project that loaded last, and what is wrong with today's; neither at first.

    `stamp` is another text whenever something else was read.
    """

    project: Project | None = None
    problems: tuple[str, ...] = ()
    stamp: str = ""

    @property
    def begun(self) -> bool:
        """Whether it was read at all."""
        return bool(self.stamp)


class Reading:
    """Reads a project directory: `now` has what was read last, and never waits."""

    def __init__(self, settings: Settings, project: Project | None = None, seconds: float = _SECONDS) -> None:
        self._settings, self._seconds = settings, seconds
        self._lock, self._looked_at = threading.Lock(), float("-inf")
        self._read = Read() if project is None else Read(project, stamp=project.identity.digest)

    def now(self) -> Read:
        """Return what was read last; where that may be old, look again in the background."""
        if time.monotonic() - self._looked_at > self._seconds and self._lock.acquire(blocking=False):
            self._looked_at = time.monotonic()
            threading.Thread(target=self._looked, name="project", daemon=True).start()
        return self._read

    def look(self) -> Read:
        """Read it now if its files are others than those that were read."""
        with self._lock:
            self._looked_at = time.monotonic()
            return self._renewed()

    def _looked(self) -> None:
        try:
            self._renewed()
        finally:
            self._lock.release()

    def _renewed(self) -> Read:
        stamp = "unreadable"
        with suppress(ProjectError):
            stamp = ProjectIdentity.of(self._settings).digest
        if stamp != self._read.stamp or stamp == "unreadable":
            self._read = self._loaded(stamp)
        return self._read

    def _loaded(self, stamp: str) -> Read:
        said = _said(lambda: load_project(self._settings))
        return Read(said, (), stamp) if isinstance(said, Project) else Read(self._read.project, said, stamp)


def _said(load: Callable[[], Project]) -> Project | tuple[str, ...]:
    """Return the project, or what is wrong with it, in words that people can act on."""
    try:
        return load()
    except ProjectError as error:
        return tuple(error.told)
    except ProjectChanged as error:
        return (str(error),)
    except Exception as error:  # its text may quote anything, and the page goes on
        return (f"reading it ended with {type(error).__name__}; `sluice check` says more",)
