"""The partitions of one source as its staging area shows them, and which of them to judge at a look.

Belongs here: which file is whose. Does not belong here: whether a drop is whole (`completion`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sluicegate.areas import Area, Entry
from sluicegate.areas.files import matcher
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.background import Background, NoAnswerYet
from sluicegate.ingestion.changes import Changes, Listing


@dataclass(frozen=True)
class Landed:
    """What lies in staging for one partition: its marker or manifest, and its files by their paths."""

    key: str
    sign: Entry | None
    files: tuple[Entry, ...]


@dataclass(slots=True)
class _Paths:
    """Where the files of one partition lie."""

    sign: str | None = None
    files: set[str] = field(default_factory=set[str])


class Discovery:
    """Looks into the staging area of a source, at all partitions or at one, and remembers what it saw."""

    def __init__(self, contract: SourceContract, area: Area, partition_key: str | None = None) -> None:
        self._template = contract.template
        self._sign = contract.completion.template
        announced_by = self._template if self._sign is None else self._sign
        self._could_announce = matcher(announced_by.glob).fullmatch
        self._templates = [self._template] if self._sign is None else [self._template, self._sign]
        self._listing = Listing(
            area,
            [item.glob if partition_key is None else item.of(partition_key) for item in self._templates],
        )
        self._local = area.local
        self._background = Background[Changes]()
        self._partitions: dict[str, _Paths] = {}
        self._strangers: set[str] = set()
        self._open: set[str] = set()

    @property
    def strangers(self) -> list[str]:
        """Markers, manifests (or files, where nothing else announces them) that name no partition."""
        return sorted(path.encode(errors="backslashreplace").decode() for path in self._strangers)

    @property
    def keys(self) -> Iterable[str]:
        """The partitions of which anything lay there at the last look; none while one has no answer yet."""
        return () if self._background.busy else self._partitions.keys()

    @property
    def wrong(self) -> dict[str, OSError]:
        """{path: why} of what may be of this source, and is no file or cannot be looked into."""
        found = self._listing.wrong.items()
        return {path: why for path, why in found if self._may_be_ours(path, why)}

    def may_hide(self, path: str, key: str) -> bool:
        """Whether files of a partition may lie at a path, or below it."""
        depth = len(path.split("/")) if path else 0
        return any(
            matcher("/".join(template.of(key).split("/")[:depth])).fullmatch(path)
            for template in self._templates
        )

    def look(self, patience: float | None = None) -> list[str]:
        """Return the partitions to judge, sorted: those that have changed, and those that were left open.

        All of them are open until `leave_open` says otherwise. Storage that is no local disk has so many
        seconds to answer, None: all that its client gives it; later looks come upon what it says later.

        Raises:
            NoAnswerYet: it has not.
        """
        watched = [path for key in self._open for path in self._paths(key)]
        try:
            if self._local or patience is None:
                changes = self._listing.look(watched)
            else:
                changes = self._background.result(lambda: self._listing.look(watched), patience)
        except NoAnswerYet:
            raise
        except BaseException:
            # The next look is at everything, as the first one: what is gone by then nobody would tell.
            self._partitions, self._strangers, self._open = {}, set(), set()
            raise
        self._open |= self._sort(changes)
        return sorted(self._open & self._partitions.keys())

    def __contains__(self, key: str) -> bool:
        """Whether anything lies there for a partition."""
        return key in self._partitions

    def refresh(self, key: str) -> Landed:
        """Return what lies there for a partition, as storage has it now."""
        self._sort(self._listing.refresh(list(self._paths(key))))
        return self.landed(key)

    def landed(self, key: str) -> Landed:
        """Return what lay there for a partition at the last look."""
        paths, files = self._partitions.get(key, _Paths()), self._listing.files
        sign = files.get(paths.sign) if paths.sign is not None else None
        return Landed(key, sign, tuple(files[path] for path in sorted(paths.files) if path in files))

    def leave_open(self, keys: Iterable[str]) -> None:
        """Judge these again at the next look, and no others that have not changed."""
        self._open = set(keys)

    def _may_be_ours(self, path: str, why: OSError) -> bool:
        """Whether something would be a file of this source, or above one, if it were what it should be.

        Where a wildcard tells names, files may lie beside folders and folders beside files.
        """
        depth = path.count("/")
        for template in self._templates:
            here = "".join(template.text.split("/")[depth : depth + 1])
            if ("*" in here or "?" in here) and isinstance(why, NotADirectoryError | IsADirectoryError):
                continue
            if template.key_of(path) is not None and not isinstance(why, NotADirectoryError):
                return True
            if template.may_lie_below(path) and not isinstance(why, IsADirectoryError):
                return True
        return False

    def _paths(self, key: str) -> Iterable[str]:
        paths = self._partitions.get(key, _Paths())
        return paths.files if paths.sign is None else [*paths.files, paths.sign]

    def _sort(self, changes: Changes) -> set[str]:
        """Note whose the changed files are; return the partitions of all that have changed."""
        touched: set[str] = set()
        for path, key, is_sign in self._keyed(entry.path for entry in changes.found):
            paths = self._partitions.setdefault(key, _Paths())
            if is_sign:
                paths.sign = path
            else:
                paths.files.add(path)
            touched.add(key)
        self._strangers.difference_update(changes.gone)
        for path, key, is_sign in self._keyed(changes.gone, gone=True):
            paths = self._partitions.get(key, _Paths())
            if is_sign:
                paths.sign = None
            else:
                paths.files.discard(path)
            if paths.sign is None and not paths.files:
                self._partitions.pop(key, None)
            touched.add(key)
        return touched

    def _keyed(self, paths: Iterable[str], *, gone: bool = False) -> Iterator[tuple[str, str, bool]]:
        """Yield (path, partition key, whether it is the marker or manifest); take note of strangers."""
        for path in paths:
            if not _is_text(path):
                self._strangers.update(() if gone else [path])
            elif self._sign is not None and (key := self._sign.key_of(path)) is not None:
                yield path, key, True
            elif (key := self._template.key_of(path)) is not None:
                yield path, key, False
            elif not gone and self._could_announce(path):
                self._strangers.add(path)


def _is_text(path: str) -> bool:
    """Whether a name is text, and not bytes that storage could not read as any: records hold text alone."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
