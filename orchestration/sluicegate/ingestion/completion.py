"""Whether what lies in staging for a partition is a whole drop that nobody has taken yet.

Belongs here: the three ways in which a provider says that it is. Does not belong here: looking into storage
(`discovery`), and what is recorded then (`staging`).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sluicegate.areas import Entry
from sluicegate.contracts.drops import CompleteOn
from sluicegate.contracts.model import SourceContract
from sluicegate.ingestion.content import Contents
from sluicegate.ingestion.discovery import Landed
from sluicegate.ingestion.manifests import ListedFile, MalformedManifest, read_manifest
from sluicegate.state.records import Drop

# Files without a marker are spoken of after so long.
_LONG_WAIT = timedelta(hours=1)
_SHOWN_FILES = 3
# Storage's clock and this one may differ by so much, and nobody need be told.
_CLOCKS_DIFFER = timedelta(minutes=1)
# `a.csv.part`, `a.csv~`: what browsers, FTP clients and editors call a file until it is whole.
_PART_OF_UPLOAD = re.compile(
    r"\.\w+(\.(part|partial|filepart|tmp|temp|crdownload|download|uploading)|~)$", re.IGNORECASE
)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Settled:
    """Nothing to do until something changes."""


@dataclass(frozen=True)
class Waiting:
    """Not whole yet; `note` says so where it has been long."""

    note: str = ""


@dataclass(frozen=True)
class Wrong:
    """Something that the provider must fix."""

    complaint: str


@dataclass(frozen=True)
class Whole:
    """A whole drop of these files. `stamp` is what its marker, its manifest or the files at rest look like.

    `complaint` is about files that lie beside them.
    """

    files: tuple[Entry, ...]
    stamp: str
    complaint: str = ""


Verdict = Settled | Waiting | Wrong | Whole


def judge(
    contract: SourceContract, landed: Landed, latest: Drop | None, contents: Contents, now: datetime
) -> Verdict:
    """Return what a partition's files, its marker or manifest and its newest drop say together.

    Args:
        contract: the source's contract.
        landed: what lies in staging for the partition.
        latest: the partition's newest drop.
        contents: reads what must be read.
        now: the time, as staging's storage has it.
    """
    if contract.completion.on is CompleteOn.STABLE:
        return _at_rest(contract, landed, latest, contents, now)
    if landed.sign is None:
        return _without_sign(contract, landed, latest, contents, now)
    if latest is not None and latest.marker_stamp == landed.sign.stamp:
        return _changed_since(contract, landed, latest, landed.sign, contents, now)
    if contract.completion.on is CompleteOn.MANIFEST:
        return _listed(contract, landed, landed.sign, contents)
    return _under_way(contract, landed) or _marked(contract, landed, landed.sign, now)


def _marked(contract: SourceContract, landed: Landed, marker: Entry, now: datetime) -> Verdict:
    """A marker that is new: it speaks for what was there when it was written."""
    several = contract.template.several
    if not landed.files:
        return Wrong(
            f"{marker.path}: marker without its {'files' if several else 'file'}; expected"
            f" {contract.template.of(landed.key)}; land the {'files' if several else 'file'}, then the marker"
        )
    late = [file for file in landed.files if _after(file, marker)]
    return _newer_than(marker, late, now) if late else Whole(landed.files, marker.stamp)


def _under_way(contract: SourceContract, landed: Landed) -> Wrong | None:
    """Files that a wildcard takes in, and that are named as programs name what they have not done yet."""
    if not contract.template.several or _PART_OF_UPLOAD.search(contract.template.text):
        return None
    parts = [file.path for file in landed.files if _PART_OF_UPLOAD.search(file.path)]
    if not parts:
        return None
    return Wrong(
        f"{_some(parts)}: named as an upload that is not done; expected {contract.template.of(landed.key)}"
        " with whole files alone; let it end, or take it away, then write what announces the drop again"
    )


def _changed_since(
    contract: SourceContract, landed: Landed, latest: Drop, sign: Entry, contents: Contents, now: datetime
) -> Verdict:
    """Files that came, or were written over, after the drop was taken: not without a word of the provider."""
    taken = {file.path: file for file in latest.files}
    late = [file for file in landed.files if file.path not in taken]
    if late and contract.completion.on is CompleteOn.MANIFEST:
        return _not_listed(sign, [file.path for file in late])
    late += [
        file
        for file in landed.files
        if (known := taken.get(file.path)) is not None
        and _after(file, sign)
        # Its time alone says little: it may be the very file that came after its marker and was taken.
        and (known.size != file.size or contents.digest(file) != known.digest)
    ]
    return _newer_than(sign, sorted(late), now) if late else Settled()


def _newer_than(sign: Entry, late: Sequence[Entry], now: datetime) -> Wrong:
    first = next((file for file in late if _lies_ahead(file, now)), None)
    ahead = f"; {_told_ahead(first, now)}; `touch` it first" if first else ""
    return Wrong(
        f"{_some([file.path for file in late])}: newer than {sign.path}; expected every file before its"
        f" marker; write the marker again once the files are whole{ahead}"
    )


def _not_listed(manifest: Entry, extra: Sequence[str]) -> Wrong:
    return Wrong(
        f"{_some(extra)}: not listed in {manifest.path}; expected every file of the drop there;"
        " list it, or take it away"
    )


def _without_sign(
    contract: SourceContract, landed: Landed, latest: Drop | None, contents: Contents, now: datetime
) -> Verdict:
    """Files alone: those of the drop already taken, or of one that is still to be announced."""
    taken = {} if latest is None else {file.path: file.size for file in latest.files}
    waiting = [file for file in landed.files if taken.get(file.path) != file.size]
    if not waiting:
        return Settled()
    assert contract.completion.template is not None
    sign = contract.completion.template.of(landed.key)
    if (other := next(filter(contents.has_beside, _in_other_case(sign)), None)) is not None:
        return Wrong(f"{other}: names are told by their case; expected {sign}; rename it")
    age = now - max((file.modified or now for file in waiting), default=now)
    if age < _LONG_WAIT:
        return Waiting()
    names = _some([file.path for file in waiting])
    return Waiting(f"{names}: waits for its {contract.completion.on} {sign}, for {_hours(age)} so far")


def _at_rest(
    contract: SourceContract, landed: Landed, latest: Drop | None, contents: Contents, now: datetime
) -> Verdict:
    """No marker at all: a drop is whole once nothing of it has changed for the contract's time."""
    if not landed.files:
        return Settled()
    stamp = hashlib.sha256(
        "\n".join(f"{file.path} {file.stamp}" for file in landed.files).encode()
    ).hexdigest()
    if latest is not None and latest.marker_stamp == stamp:
        return Settled()
    if (under_way := _under_way(contract, landed)) is not None:
        return under_way
    rest = timedelta(seconds=contract.completion.seconds)
    ahead = next((file for file in landed.files if _lies_ahead(file, now)), None)
    if ahead is not None:
        return Waiting(
            f"{_told_ahead(ahead, now)}; expected files that have rested for {rest.total_seconds():g}"
            " seconds; set the provider's or this machine's clock right, and `touch` the file"
        )
    if any(file.modified is None or now - file.modified < rest for file in landed.files):
        return Waiting()
    if latest is not None and _only_gone(landed.files, latest, contents):
        return Settled()
    return Whole(landed.files, stamp)


def _only_gone(files: Sequence[Entry], latest: Drop, contents: Contents) -> bool:
    """Whether this is what is left of the drop taken: staging is being emptied, nothing was corrected."""
    known = {file.path: file for file in latest.files}
    return len(files) < len(known) and all(
        file.path in known
        and known[file.path].size == file.size
        and (file.modified or _LONG_AGO) <= (latest.landed_at or _LONG_AGO)
        and known[file.path].digest == contents.digest(file)
        for file in files
    )


def _listed(contract: SourceContract, landed: Landed, manifest: Entry, contents: Contents) -> Verdict:
    """A manifest that is new: all that it lists must be there as it says, and nothing else."""
    try:
        listed = read_manifest(contents.read(manifest), manifest.path)
    except MalformedManifest as error:
        return Wrong(
            f"{manifest.path}: {error}; expected"
            ' {"files": [{"path": …, "size": bytes, "sha256": hex or left out}]}; correct the manifest'
        )
    for path in listed:
        if contract.template.key_of(path) != landed.key:
            return Wrong(
                f"{manifest.path}: lists {path}, which is none of this drop's files; expected"
                f" {contract.template.of(landed.key)}; correct the manifest, or the contract's path"
            )
    files = {file.path: file for file in landed.files}
    wrong = [
        text for path, item in listed.items() if (text := _unlike(files.get(path), path, item, contents))
    ]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN_FILES} more" if len(wrong) > _SHOWN_FILES else ""
        return Wrong(
            "; ".join(wrong[:_SHOWN_FILES])
            + f"{more}; expected what {manifest.path} lists; land the file again,"
            " or correct the manifest"
        )
    extra = sorted(files.keys() - listed.keys())
    beside = _not_listed(manifest, extra).complaint if extra else ""
    return Whole(tuple(files[path] for path in sorted(listed)), manifest.stamp, beside)


def _unlike(file: Entry | None, path: str, item: ListedFile, contents: Contents) -> str:
    """Return how a file differs from what its manifest says, or nothing."""
    if file is None:
        return f"{path}: listed, but not there"
    if file.size != item.size:
        return f"{path}: has {file.size:,} bytes, not {item.size:,}"
    if item.sha256 is not None and (digest := contents.digest(file)) != item.sha256.lower():
        return f"{path}: has SHA-256 {digest[:16]}…, not {item.sha256[:16].lower()}…"
    return ""


def _lies_ahead(file: Entry, now: datetime) -> bool:
    """Whether a file's time is later than clocks that are about right differ."""
    return file.modified is not None and file.modified > now + _CLOCKS_DIFFER


def _told_ahead(file: Entry, now: datetime) -> str:
    assert file.modified is not None
    return f"{file.path} is of {file.modified:%Y-%m-%d %H:%M:%S}, and it is {now:%Y-%m-%d %H:%M:%S} now (UTC)"


def _in_other_case(path: str) -> list[str]:
    """Return the names that people and old systems give instead: `DAY.DONE`, `Manifest.json`."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    names = [stem + dot + suffix.upper(), stem + dot + suffix.capitalize(), name.upper(), name.capitalize()]
    return [folder + slash + other for other in dict.fromkeys(names) if other != name]


def _after(file: Entry, sign: Entry) -> bool:
    return (file.modified or _LONG_AGO) > (sign.modified or _LONG_AGO)


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN_FILES} more" if len(paths) > _SHOWN_FILES else ""
    return ", ".join(paths[:_SHOWN_FILES]) + more


def _hours(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    if hours < 48:
        return "1 hour" if hours == 1 else f"{hours} hours"
    return f"{hours // 24} days"
