"""What is new in a staging area since the last look, without looking at all that is old.

Belongs here: files, folders and their times. Does not belong here: what the files mean (`discovery`).
"""

import os
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice

from sluicegate.areas import Area, Entry, OnError
from sluicegate.areas.files import literal_prefix, matcher

# Up to so many files every look is at all of them.
_FEW_FILES = 2_000
# With more, each look is at so many old ones and so many old folders, in turn: it finds what was written over
# in an old place, or landed in an old folder.
_OLD_AT_A_LOOK = 500
# The files that were written last are what is most likely written again.
_RECENT_FILES = 200
# A folder may be written to again within the same tick of its storage's clock.
_SETTLED_AFTER_NS = 2_000_000_000


@dataclass(frozen=True)
class Changes:
    """Files that are new or other than they were, and files that are gone."""

    found: tuple[Entry, ...]
    gone: tuple[str, ...]


class Listing:
    """The files of an area that match patterns, as they were at the last look.

    Where there are few files, or storage has no folders, a look lists everything. Else it is at folders whose
    own time has changed, as new names change it, and at single files: those watched, those written last, and
    some of the old ones in turn.
    """

    def __init__(self, area: Area, patterns: Sequence[str]) -> None:
        self.files: dict[str, Entry] = {}
        # {path of what is no file, or of a folder that cannot be looked into: why}
        self.wrong: dict[str, OSError] = {}
        self._area = area
        self._patterns = tuple(dict.fromkeys(patterns))
        self._roots = frozenset(literal_prefix(pattern).rpartition("/")[0] for pattern in self._patterns)
        self._exact = True
        # {folder: the time at which its names were read, or -1 if they are to be read again}
        self._folder_times: dict[str, int] = {}
        self._names: dict[str, set[str]] = {}
        self._empty_folders: set[str] = set()
        self._recent: deque[str] = deque(maxlen=2 * _RECENT_FILES)
        self._old_files: Iterator[str] = iter(())
        self._old_folders: Iterator[str] = iter(())

    def look(self, watched: Iterable[str] = ()) -> Changes:
        """Return what has changed since the last look; at the paths `watched` it looks in any case."""
        self._exact = not self._area.local or len(self.files) <= _FEW_FILES
        try:
            return self._look_at_all() if self._exact else self._look_for_new(watched)
        except BaseException:
            # What was seen so far was told to nobody: the next look is at everything, as the first one.
            self.files = {}
            raise

    def refresh(self, paths: Iterable[str]) -> Changes:
        """Look at these very files, unless the last look was at all of them."""
        return Changes((), ()) if self._exact else self._look_at(paths)

    def _look_at(self, paths: Iterable[str]) -> Changes:
        found: list[Entry] = []
        gone: list[str] = []
        for path in paths:
            self.wrong.pop(path, None)
            listed = self._area.listing(path, self.wrong.__setitem__)
            entry = next((entry for entry in listed if entry.path == path), None)
            if entry is None and self.files.pop(path, None) is not None:
                gone.append(path)
            elif entry is not None and self._note(entry):
                found.append(entry)
        return Changes(tuple(found), tuple(gone))

    def _note(self, entry: Entry) -> bool:
        """Remember a file; return whether it is new or other than it was."""
        known = self.files.get(entry.path)
        self.files[entry.path] = entry
        return known is None or known.stamp != entry.stamp

    def _look_at_all(self) -> Changes:
        before, self.files, self.wrong = self.files, {}, {}
        found: list[Entry] = []
        for pattern in self._patterns:
            for entry in self._area.listing(pattern, self._noting_wrong(pattern)):
                if not _hidden(entry.path, pattern) and self._note(entry):
                    known = before.get(entry.path)
                    if known is None or known.stamp != entry.stamp:
                        found.append(entry)
        if self._area.local and len(self.files) > _FEW_FILES:
            self._prepare()
        return Changes(tuple(found), tuple(path for path in before if path not in self.files))

    def _noting_wrong(self, pattern: str) -> OnError:
        parts = pattern.split("/")

        def note(path: str, why: OSError) -> None:
            if not _hidden(path, "/".join(parts[: path.count("/") + 1])):
                self.wrong[path] = why

        return note

    def _prepare(self) -> None:
        """Take down what looks for new files need."""
        parents = {path.rpartition("/")[0] for path in self.files}
        self._folder_times = {above: -1 for folder in parents for above in _with_those_above(folder)}
        self._names, self._empty_folders = {}, set()
        dated = ((_seconds(entry), path) for path, entry in self.files.items())
        self._recent.extend(path for _, path in reversed(nlargest(_RECENT_FILES, dated)))

    def _look_for_new(self, watched: Iterable[str]) -> Changes:
        wrong_files = {path for path in self.wrong if self._wanted(path)}
        single = {*self._recent, *watched, *wrong_files}
        folders = {above for path in single for above in _with_those_above(path.rpartition("/")[0])}
        if not (old_files := list(islice(self._old_files, _OLD_AT_A_LOOK))):
            self._old_files = iter(list(self.files))
        if not (old_folders := list(islice(self._old_folders, _OLD_AT_A_LOOK))):
            self._old_folders = iter(list(self._folder_times))
        found: list[Entry] = []
        wrong_folders = self.wrong.keys() - wrong_files
        for folder in self._roots.union(folders, old_folders, self._empty_folders, wrong_folders):
            if any(folder == root or not root or folder.startswith(f"{root}/") for root in self._roots):
                found += self._new_in(folder)
        looked_at = self._look_at(single.union(old_files))
        self._recent.extend(entry.path for entry in found)
        return Changes((*found, *looked_at.found), looked_at.gone)

    def _new_in(self, folder: str) -> Iterator[Entry]:
        """Yield the files with new names in a folder, and in folders with new names below it."""
        at = os.path.join(self._area.place.root, folder)
        began = time.time_ns()
        try:
            changed = os.stat(at).st_mtime_ns
            if self._folder_times.get(folder) == changed:
                return
            names = os.listdir(at)
        except (FileNotFoundError, NotADirectoryError):
            self._empty_folders.discard(folder)
            if not os.path.lexists(at):
                self.wrong.pop(folder, None)
            return
        except OSError as error:
            self.wrong[folder] = error
            return
        self.wrong.pop(folder, None)
        self._folder_times[folder] = changed if changed < began - _SETTLED_AFTER_NS else -1
        before = f"{folder}/" if folder else ""
        seen = self._names.get(folder)
        if seen is None:
            fresh = [name for name in names if not self._knows(before + name)]
        else:
            fresh = [name for name in names if name not in seen]
        if seen is None or len(names) - len(fresh) < len(seen):
            seen = self._names[folder] = set(names)
        else:
            seen.update(fresh)
        for name in fresh:
            patterns = self._patterns_for(before + name)
            entries = [
                entry
                for pattern in patterns
                for entry in self._area.listing(pattern, self._noting_wrong(pattern))
            ]
            if any(pattern != before + name for pattern in patterns):
                self._folder_times.setdefault(before + name, -1)
                if not entries:
                    self._empty_folders.add(before + name)
            elif patterns and not entries:
                seen.discard(name)  # gone again already: new once more if it comes back
            for entry in entries:
                self._empty_folders.difference_update(_with_those_above(entry.path.rpartition("/")[0]))
                if self._wanted(entry.path) and self._note(entry):
                    yield entry

    def _patterns_for(self, path: str) -> list[str]:
        """Return the path itself, if it may be a file that is looked for, and patterns of those below it."""
        found: list[str] = []
        depth = path.count("/") + 1
        for pattern in self._patterns:
            head, rest = pattern.split("/")[:depth], pattern.split("/")[depth:]
            part = "/".join(head)
            if len(head) == depth and matcher(part).fullmatch(path) and not _hidden(path, part):
                found.append("/".join([path, *rest]))
        return list(dict.fromkeys(found))

    def _wanted(self, path: str) -> bool:
        return any(
            pattern.count("/") == path.count("/")
            and not _hidden(path, pattern)
            and matcher(pattern).fullmatch(path)
            for pattern in self._patterns
        )

    def _knows(self, path: str) -> bool:
        return path in self.files or path in self._folder_times


def _hidden(path: str, pattern: str) -> bool:
    """Whether a part of a path begins with a dot where its pattern does not say so, as a shell has it."""
    if "/." not in path and not path.startswith("."):
        return False
    return any(
        part.startswith(".") and not said.startswith(".")
        for part, said in zip(path.split("/"), pattern.split("/"), strict=True)
    )


def _with_those_above(folder: str) -> Iterator[str]:
    """Yield a folder and all above it, the area's own (empty) last."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _seconds(entry: Entry) -> float:
    return entry.modified.timestamp() if entry.modified is not None else 0.0
