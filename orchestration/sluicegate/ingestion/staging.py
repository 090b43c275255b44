"""The staging area: where providers land files; what is whole and new there becomes a drop on record.

Belongs here: a look at one source, from what lies there to the records. Does not belong here: which file is
whose (`discovery`), what is whole (`completion`), and putting files there (`landing`).
"""

import hashlib
import threading
import weakref
from bisect import insort
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sluicegate.areas import Area, storage_errors, why_of
from sluicegate.contracts.model import SourceContract
from sluicegate.core.progress import step
from sluicegate.core.shown_text import shown
from sluicegate.ingestion.completion import Settled, Verdict, Waiting, Whole, Wrong, judge
from sluicegate.ingestion.content import BeingWritten, Contents, Unread, Unreadable
from sluicegate.ingestion.discovery import Discovery, Landed
from sluicegate.ingestion.gaps import NO_DROP_DIGEST, gaps_around
from sluicegate.state.records import Drop, DropFile
from sluicegate.state.store import StateStore

_MOST_TOLD = 50


@dataclass(frozen=True)
class Scan:
    """What a look at the staging area found.

    `drops` are new; `complaints` are about what cannot be taken until somebody fixes it, or about storage
    that cannot be had, and come again at each look; `notes` tell what is worth knowing and holds nothing up.
    """

    drops: tuple[Drop, ...]
    complaints: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass
class _Memory:
    """What this process knows of one source's staging area, so that a look is at what is new."""

    discovery: Discovery
    contents: Contents
    too_early: dict[str, str] = field(default_factory=dict[str, str])
    lock: threading.Lock = field(default_factory=threading.Lock)


# By the records beside which it was seen: other records know nothing of it.
_memories: "weakref.WeakKeyDictionary[StateStore, dict[object, _Memory]]" = weakref.WeakKeyDictionary()
_memories_lock = threading.Lock()


def _utc_now() -> datetime:
    return datetime.now(UTC)


def register_landed(
    contract: SourceContract,
    staging: Area,
    store: StateStore,
    *,
    partition_key: str | None = None,
    now: Callable[[], datetime] = _utc_now,
    patience: float | None = None,
) -> Scan:
    """Look for drops that are whole and new since the last look, and record them.

    Storage that cannot be had is a complaint like others, and never raises: it is one source's alone.

    Args:
        contract: the source's contract.
        staging: the staging area of the contract's connector.
        store: the records.
        partition_key: look at this partition alone, at what is there now; None for all, where this process
            remembers what it has seen and looks at what is new.
        now: the clock, injected by tests.
        patience: so many seconds storage elsewhere has to answer, None: as many as its client gives it.
    """
    if partition_key is None:
        memory = _memory(contract, staging, store)
    else:
        memory = _Memory(Discovery(contract, staging, partition_key), Contents(staging))
    with memory.lock:
        return _Look(contract, staging, store, memory, now()).scan(patience)


def complaints_about(
    contract: SourceContract,
    staging: Area,
    store: StateStore,
    *,
    now: Callable[[], datetime] = _utc_now,
    patience: float | None = None,
) -> tuple[str, ...]:
    """Return what a look at a source would complain about; it reads no file whole, and records nothing."""
    memory = _Memory(Discovery(contract, staging), Unread(staging))
    return _Look(contract, staging, store, memory, now()).scan(patience, record=False).complaints


def taken_and_left(contract: SourceContract, staging: Area, store: StateStore) -> list[Drop]:
    """Return the newest drops that still lay in staging at this process's last look, as they were taken."""
    memory = _memory(contract, staging, store)
    with memory.lock:
        keys = sorted(memory.discovery.keys)
        latest = store.drops.latest(contract.name, keys) if keys else {}
        return [
            latest[key]
            for key in keys
            if key in latest and _lies_as_taken(memory.discovery.landed(key), latest[key], memory.contents)
        ]


def _lies_as_taken(landed: Landed, drop: Drop, contents: Contents) -> bool:
    """Whether what lies there is a drop, or the rest of it, and nothing that came later."""
    if landed.sign is not None and landed.sign.stamp != drop.marker_stamp:
        return False
    taken = {file.path: file for file in drop.files}
    try:
        return all(
            (file := taken.get(entry.path)) is not None
            and file.size == entry.size
            and file.digest == contents.digest(entry)
            for entry in landed.files
        )
    except (BeingWritten, Unreadable):
        return False


def _memory(contract: SourceContract, staging: Area, store: StateStore) -> _Memory:
    # Another path in the contract, or another area, is another place, of which nothing is known yet.
    place = (contract.name, contract.template, contract.completion, staging.url)
    with _memories_lock:
        known = _memories.setdefault(store, {})
        if place not in known:
            known[place] = _Memory(Discovery(contract, staging), Contents(staging))
        return known[place]


class _Look:
    """One look at one source."""

    def __init__(
        self, contract: SourceContract, staging: Area, store: StateStore, memory: _Memory, now: datetime
    ) -> None:
        self._contract = contract
        self._staging = staging
        self._store = store
        self._memory = memory
        self._now = now
        self._known: dict[str, Drop] = {}
        # The partitions that have a drop, or get one now, in the order of time.
        self._in_time: list[str] = []
        self._drops: list[Drop] = []
        self._complaints: list[str] = []
        self._notes: list[str] = []

    def scan(self, patience: float | None = None, *, record: bool = True) -> Scan:
        """Judge what has changed or was left open, and record what is whole."""
        memory, contract = self._memory, self._contract
        try:
            keys = memory.discovery.look(patience)
        except storage_errors() as error:
            return Scan((), (self._out_of_reach(error),))
        if keys:
            self._known = self._store.drops.latest(contract.name)
        wrong = memory.discovery.wrong
        self._complaints += [self._cannot_be_read(path, why) for path, why in sorted(wrong.items())]
        verdicts = {key: self._verdict(key, wrong) for key in keys}
        whole = {key: verdict for key, verdict in verdicts.items() if isinstance(verdict, Whole) and record}
        if whole and contract.gaps_allowed and contract.grain.timed:
            self._in_time = sorted(self._known.keys() | whole.keys())
        for key, verdict in whole.items():
            verdicts[key] = self._take(key, verdict)
        for verdict in verdicts.values():
            if isinstance(verdict, Wrong | Whole) and verdict.complaint:
                self._complaints.append(verdict.complaint)
            elif isinstance(verdict, Waiting) and verdict.note:
                self._notes.append(verdict.note)
        # Whatever a look fails at stays open: nothing is closed before this.
        memory.discovery.leave_open(
            key for key, verdict in verdicts.items() if isinstance(verdict, Waiting | Wrong)
        )
        self._complaints += [_not_of_this_source(contract, path) for path in memory.discovery.strangers]
        memory.too_early = {key: text for key, text in memory.too_early.items() if key in memory.discovery}
        self._complaints += memory.too_early.values()
        return Scan(tuple(self._drops), _some(self._complaints), _some(self._notes))

    def _out_of_reach(self, error: Exception) -> str:
        contract = self._contract
        said = f"{type(error).__name__}: {why_of(error)}"
        return (
            f"{self._staging.url}: cannot be looked into ({shown(said, contract.near)}); nothing of"
            f" `{contract.name}` is taken until it can; expected storage that this process may list and read;"
            " fix its permissions, its URL or its credentials"
        )

    def _cannot_be_read(self, path: str, why: OSError) -> str:
        contract = self._contract
        where = path.encode(errors="backslashreplace").decode() or self._staging.url
        return (
            f"{where}: cannot be read ({why.strerror or type(why).__name__}); expected what `{contract.name}`"
            f" lands at {contract.template.text}; fix its permissions, land it again, or take it away"
        )

    def _verdict(self, key: str, wrong: Mapping[str, OSError]) -> Verdict:
        discovery, latest = self._memory.discovery, self._known.get(key)
        if any(discovery.may_hide(path, key) for path in wrong):
            return Waiting()  # a part of it may be there; why it is not seen was said
        landed = discovery.landed(key)
        taken = landed.sign is not None and latest is not None and latest.marker_stamp == landed.sign.stamp
        self._memory.too_early.pop(key, None)
        if not taken and _too_early(self._contract, key):
            # There may be years of them, that will never be taken: said at each look, but not looked at.
            self._memory.too_early[key] = _begins_later(self._contract, landed)
            return Settled()
        if not taken and (start := _future_start(self._contract, key, self._now)):
            newest = self._contract.partitioning.key_at(self._now)
            return Wrong(
                f"{_path_of(landed)}: lies in the future ({start:%Y-%m-%d %H:%M}); expected {newest} (UTC)"
                " or earlier; rename it"
            )
        try:
            verdict = judge(self._contract, landed, latest, self._memory.contents, self._now)
            if isinstance(verdict, Settled):
                return verdict
            # What is acted on is looked at as it is now, not as it was when something else of it changed.
            landed = discovery.refresh(key)
            return judge(self._contract, landed, latest, self._memory.contents, self._now)
        except BeingWritten as moving:
            return Waiting(str(moving))
        except Unreadable as unreadable:
            return Wrong(str(unreadable))
        except storage_errors() as error:
            return Wrong(str(Unreadable(_path_of(landed), error)))

    def _take(self, key: str, whole: Whole) -> Verdict:
        """Record a drop, and before it the silence that it ends: a kill in between leaves no gap open."""
        contract, latest = self._contract, self._known.get(key)
        # Where the time tells how old a drop is, nobody asks what its marker says; and a file that announces
        # itself says no more than its content does.
        asked = contract.completion.template is not None and not contract.grain.timed
        sign = self._memory.discovery.landed(key).sign if asked else None
        try:
            with step(f"{contract.name} {key}: reading what has landed"):
                digests = [self._memory.contents.digest(file) for file in whole.files]
            announced = self._memory.contents.digest(sign) if sign is not None and sign.size else ""
        except BeingWritten as moving:
            return Waiting(str(moving))
        except Unreadable as unreadable:
            return Wrong(str(unreadable))
        files = [
            DropFile(file.path, digest, file.size) for file, digest in zip(whole.files, digests, strict=True)
        ]
        if self._in_time and latest is None:
            self._close_gaps_around(key)
        several = len(files) > 1
        drop = self._store.drops.register(
            contract.name,
            key,
            digest=digest_of_several(files) if several else files[0].digest,
            file=contract.template.of(key) if several else files[0].path,
            size_bytes=sum(file.size for file in files),
            marker_stamp=whole.stamp,
            files=files if several else (),
            announced=announced,
        )
        self._known[key] = drop
        self._memory.contents.forget([*whole.files, *([sign] if sign is not None else [])])
        if latest is None or drop.ordinal != latest.ordinal:
            self._drops.append(drop)
            self._note_what_came_back(drop)
        return Wrong(whole.complaint) if whole.complaint else Settled()

    def _close_gaps_around(self, key: str) -> None:
        gaps = gaps_around(self._contract, self._in_time, key)
        # Two new drops with a silence between them both tell of it.
        self._complaints += [text for text in gaps.complaints if text not in self._complaints]
        for silent in gaps.silent:
            self._known[silent] = self._store.drops.register(
                self._contract.name, silent, digest=NO_DROP_DIGEST, file=None, size_bytes=0, marker_stamp=""
            )
            self._drops.append(self._known[silent])
            insort(self._in_time, silent)

    def _note_what_came_back(self, drop: Drop) -> None:
        if drop.ordinal < 3:
            return
        earlier = self._store.drops.of(drop.source, drop.partition_key)[:-1]
        again = [old.ordinal for old in earlier if old.digest == drop.digest and old.file is not None]
        if again:
            self._notes.append(
                f"{drop.file}: drop {drop.ordinal} of {drop.partition_key}: the content is that of"
                f" drop {again[-1]} again"
            )


def digest_of_several(files: Sequence[DropFile]) -> str:
    """Return the SHA-256 that names a drop of several files: over the sorted lines `path sha256 size`."""
    lines = sorted(f"{file.path} {file.digest} {file.size}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _too_early(contract: SourceContract, key: str) -> bool:
    first = contract.partition_start
    return contract.grain.timed and first is not None and contract.partitioning.interval(key)[0] < first


def _future_start(contract: SourceContract, key: str, now: datetime) -> datetime | None:
    """Return when a partition begins, if that is still to come."""
    start = contract.partitioning.interval(key)[0] if contract.grain.timed else now
    return start if start > now else None


def _begins_later(contract: SourceContract, landed: Landed) -> str:
    what, expected = _announcement(contract)
    return (
        f"{_path_of(landed)}: not a {what} of `{contract.name}`, whose partitions begin later; expected"
        f" {expected}; rename it, or correct partitionStart in {contract.file.name}"
    )


def _not_of_this_source(contract: SourceContract, path: str) -> str:
    what, expected = _announcement(contract)
    return (
        f"{path}: not a {what} of `{contract.name}`; expected {expected}; rename it or correct"
        f" {contract.file.name}"
    )


def _announcement(contract: SourceContract) -> tuple[str, str]:
    """Return what announces a drop, and where it is expected."""
    first = ""
    if contract.partition_start is not None and contract.grain.timed:
        first = f" from {contract.partitioning.key_at(contract.partition_start)} on"
    if contract.completion.template is None:
        return "file", contract.template.text + first
    return str(contract.completion.on), contract.completion.template.text + first


def _path_of(landed: Landed) -> str:
    return (landed.sign or landed.files[0]).path


def _some(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the first of many; a folder of another source's files must not fill the log."""
    more = [f"and {len(texts) - _MOST_TOLD:,} more like these"] if len(texts) > _MOST_TOLD else []
    return (*texts[:_MOST_TOLD], *more)
