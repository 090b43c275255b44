"""The names of sample files -> a path template, how the source is cut, and its name.

Belongs here: guesses from names alone. Does not belong here: what is in the files.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.contracts.drops import DropTemplate, fields_of
from sluicegate.core.partitions import SNAPSHOT_PARTITION, Grain, Partitioning

_YEAR, _MONTH, _DAY, _HOUR = (
    r"((?:19|20)\d{2})",
    r"(0[1-9]|1[0-2])",
    r"(0[1-9]|[12]\d|3[01])",
    r"([01]\d|2[0-3])",
)
_DATE = r"(?<!\d)(?:19|20)\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
# The finest first: what names an hour names a day, too. A letter or a sign may stand between the parts.
_FORMS: tuple[tuple[Grain, str, str], ...] = (
    (Grain.HOURLY, _DATE + rf"([T_/-]){_HOUR}(?=[._h:/-]|$)", r"{date}\1{hour}"),
    (Grain.HOURLY, rf"(?<!\d){_YEAR}([/_-]?){_MONTH}\2{_DAY}([T_/-]?){_HOUR}(?!\d)",
     r"{year}\2{month}\2{day}\5{hour}"),
    (Grain.DAILY, _DATE + r"(?!\d)", r"{date}"),
    (Grain.DAILY, rf"(?<!\d){_YEAR}([/._]?){_MONTH}\2{_DAY}(?!\d)", r"{year}\2{month}\2{day}"),
    (Grain.DAILY, rf"year={_YEAR}/month={_MONTH}/day={_DAY}(?!\d)", r"year={year}/month={month}/day={day}"),
    (Grain.DAILY, rf"(?<!\d){_DAY}([._-]?){_MONTH}\2{_YEAR}(?!\d)", r"{day}\2{month}\2{year}"),
    (Grain.DAILY, rf"(?<!\d){_MONTH}([._-]?){_DAY}\2{_YEAR}(?!\d)", r"{month}\2{day}\2{year}"),
    (Grain.WEEKLY, r"(?<!\d)(?:19|20)\d{2}-W(?:0[1-9]|[1-4]\d|5[0-3])(?!\d)", r"{week}"),
    (Grain.WEEKLY, rf"(?<!\d){_YEAR}([._-]?[Ww])(0[1-9]|[1-4]\d|5[0-3])(?!\d)",
     r"{week_year}\2{week_number}"),
    (Grain.MONTHLY, rf"(?<!\d){_YEAR}([/._-]?){_MONTH}(?!\d)", r"{year}\2{month}"),
    (Grain.MONTHLY, rf"(?<!\d){_MONTH}([._-]?){_YEAR}(?!\d)", r"{month}\2{year}"),
    (Grain.MONTHLY, rf"year={_YEAR}/month={_MONTH}(?!\d)", r"year={year}/month={month}"),
)  # fmt: skip
_MOST_PARTS = 5
_WILD = re.compile(r"[*?{}]")
_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Placed:
    """Where samples would land: `keys` holds each one's partition; several samples may be of one."""

    source: str
    template: DropTemplate
    keys: dict[Path, str]

    @property
    def grain(self) -> Grain:
        """How the source is cut."""
        return self.template.partitioning.grain


def placed(files: Sequence[Path], source: str | None, path: str = "") -> list[Placed]:
    """Return where samples would land: one place, or two where their names can be read in two ways.

    Without a time in their names they are of a snapshot. `path` is a contract's, which they must fit.

    Raises:
        ValueError: they fit no path, or not this one.
    """
    paths = {file: file.absolute().as_posix().strip("/").split("/") for file in files}
    if path:
        return [_told(paths, path, source)]
    for length in range(1, _MOST_PARTS + 1):
        ends = {file: "/".join(parts[-length:]) for file, parts in paths.items()}
        found = [_formed(paths, ends, form, source) for form in _FORMS]
        grains = [made.grain for made in found if made is not None]
        # Of the finest grain, the first; but a day and a month tell nobody which of them is which.
        same = [made for made in found if made is not None and made.grain is grains[0]]
        if same:
            first = same[0].template.fields
            either = [
                made for made in same[1:] if made.template.fields == first and made.keys != same[0].keys
            ]
            return [same[0], *either[:1]]
    template = _common({_WILD.sub("?", parts[-1]) for parts in paths.values()}) or "*"
    made = _placed(paths, template, Partitioning(Grain.SNAPSHOT), source)
    if made is None:
        raise ValueError(f"{files[0]}: no path template fits this name; rename the sample")
    return [made]


def _formed(
    paths: dict[Path, list[str]], ends: Mapping[Path, str], form: tuple[Grain, str, str], source: str | None
) -> Placed | None:
    grain, pattern, fields = form
    found = {_one(end, pattern, fields) for end in ends.values()}
    template = None if None in found else _common({text for text in found if text is not None})
    return _placed(paths, template, Partitioning(grain), source) if template else None


def _told(paths: dict[Path, list[str]], path: str, source: str | None) -> Placed:
    """Place samples by a path that somebody has told; its fields tell the grain."""
    fields = DropTemplate(path, Partitioning(Grain.SNAPSHOT)).fields
    grain = next((grain for grain in Grain if fields in fields_of(grain)), Grain.SNAPSHOT)
    head = path.partition("/")[0]
    name = source or portable(_WILD.sub("", head)) or "source"
    template = DropTemplate(path, Partitioning(grain, name if grain is Grain.DROP else ""))
    if wrong := template.problem():
        raise ValueError(
            f"--path {path}: {wrong}; expected a path as in `{template.example(name)}`; correct it"
        )
    wanted = path.split("/")
    ends = (
        DropTemplate("/".join(wanted[-length:]), template.partitioning)
        for length in range(1, len(wanted) + 1)
    )
    end = next(end for end in ends if end.fields == template.fields)
    keys: dict[Path, str] = {}
    for file, parts in paths.items():
        key = end.key_of("/".join(parts[-len(end.text.split("/")) :]))
        if key is None:
            raise ValueError(f"{file}: does not fit --path {path}; expected {end.text}; correct the path")
        keys[file] = key
    return Placed(name, template, keys)


def _one(end: str, pattern: str, fields: str) -> str | None:
    """Return a path with fields in the place of what the pattern finds, if it does once."""
    match = re.search(pattern, end)
    if match is None:
        return None
    before, after = end[: match.start()], end[match.end() :]
    return _WILD.sub("?", before) + match.expand(fields) + _WILD.sub("?", after)


def _common(templates: set[str]) -> str | None:
    """Return one template for all: `*` where they differ, within one part of the path."""
    first, *others = sorted(templates)
    if not others:
        return first
    start = _beginning([first, *others])
    end = _beginning([text[len(start) :][::-1] for text in (first, *others)])[::-1]
    varying = [text[len(start) : len(text) - len(end)] for text in (first, *others)]
    # A number that ends alike is still one number.
    if any("/" in text or "{" in text or "}" in text for text in varying):
        return None
    template = f"{start.rstrip('0123456789')}*{end.lstrip('0123456789')}"
    return template if template.count("{") == first.count("{") else None


def _beginning(texts: Sequence[str]) -> str:
    """Return what all texts begin with, letter by letter."""
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)


def _placed(
    paths: dict[Path, list[str]], template: str, partitioning: Partitioning, source: str | None
) -> Placed | None:
    name = source or _name(template, next(iter(paths.values())))
    whole = DropTemplate(f"{name}/{template}", partitioning)
    if whole.problem():
        return None
    depth = template.count("/") + 1
    keys = {file: whole.key_of("/".join([name, *parts[-depth:]])) for file, parts in paths.items()}
    found = {file: key for file, key in keys.items() if key is not None}
    several_of_one = len(set(found.values())) < len(found) and not whole.several
    if len(found) < len(paths) or several_of_one:
        return None
    return Placed(name, whole, found)


def _name(template: str, parts: Sequence[str]) -> str:
    """Return the source's name: what the file is called without its time, or else its folder."""
    depth = template.count("/") + 1
    # The letter of an hour or a week is none of a name.
    last = (
        re.sub(r"\{\w+\}([_.-]?[TtWw](?=\{))?|[*?]", " ", template.rpartition("/")[2])
        .strip()
        .partition(".")[0]
    )
    folders = list(reversed(parts[: max(len(parts) - depth, 0)]))
    heads = [re.sub(r"\{\w+\}|[*?]|=", " ", part) for part in reversed(template.split("/")[:-1])]
    for said in (last, *heads, *folders):
        made = portable(said)
        if made not in ("", "part", "data", "t", "year", "month", "day") and not made.isdigit():
            return made
    return "source"


def portable(name: str) -> str:
    """Return a name as an SQL identifier that needs no quotes; empty, if nothing is left of it."""
    folded = name.lower().translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"})
    made = _NO_NAME.sub("_", folded).strip("_")
    return made if not made or made[0].isalpha() else f"c_{made}"


def first_key(drops: Placed) -> str:
    """Return the earliest partition of the samples; empty for a snapshot."""
    keys = [key for key in drops.keys.values() if key != SNAPSHOT_PARTITION]
    return min(keys, default="")
