"""Where a partition's files land, and what says that they are complete.

Belongs here: path templates, from partition key to path and back. Does not belong here: looking into storage
(`ingestion.staging`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time
from enum import StrEnum
from functools import cached_property

from sluicegate.core.partitions import SNAPSHOT_PARTITION, Grain, Partitioning

# {field}: (strftime format, pattern)
_TIME_FIELDS = {
    "date": ("%Y-%m-%d", r"[1-9]\d{3}-\d{2}-\d{2}"),
    "year": ("%Y", r"[1-9]\d{3}"),
    "month": ("%m", r"\d{2}"),
    "day": ("%d", r"\d{2}"),
    "hour": ("%H", r"\d{2}"),
    "week": ("%G-W%V", r"[1-9]\d{3}-W\d{2}"),
    # The same in parts, for names that write a week in another way; its year is ISO 8601's, too.
    "week_year": ("%G", r"[1-9]\d{3}"),
    "week_number": ("%V", r"\d{2}"),
}
_FIELD_LETTERS = {
    "date": "####-##-##", "year": "####", "month": "##", "day": "##", "hour": "##", "week": "####-W##",
    "week_year": "####", "week_number": "##",
}  # fmt: skip
_DROP_FIELD = "drop"
_DROP_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}?"
_SUFFIXES = re.compile(r"(\.[A-Za-z]\w*)+$")
_ANY, _ONE = "[^/]*", "[^/]"
_FIELD = re.compile(r"\{(\w+)\}")


def fields_of(grain: Grain) -> list[frozenset[str]]:
    """Return the sets of fields that name a partition of a grain, one of which a template must hold."""
    return [frozenset(_FIELD.findall(path)) for path in grain.paths]


class CompleteOn(StrEnum):
    """What says that a drop is whole."""

    MARKER = "marker"
    MANIFEST = "manifest"
    STABLE = "stable"


@dataclass(frozen=True)
class Completion:
    """`template` is where the marker or the manifest lands; `seconds` how long a stable drop has rested."""

    on: CompleteOn
    template: "DropTemplate | None" = None
    seconds: float = 0.0


@dataclass(frozen=True)
class DropTemplate:
    """A path with fields in braces, and `*` and `?` where a drop may have several files.

    `sales/{date}.csv.gz`, `{year}/{month}/{day}/part-*.json`, `recordings/{drop}/*.bag`.
    """

    text: str
    partitioning: Partitioning

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names in braces."""
        return frozenset(_FIELD.findall(self.text))

    @property
    def several(self) -> bool:
        """Whether a drop may have more than one file."""
        return "*" in self.text or "?" in self.text

    @cached_property
    def glob(self) -> str:
        """A pattern for the files of all partitions, as storage lists them."""
        return _FIELD.sub("*", self.text)

    @property
    def letters(self) -> str:
        """The path of a partition with `#` for each digit of its time, and `?*` for the name of a drop."""
        return _FIELD.sub(lambda match: _FIELD_LETTERS.get(match[1], "?*"), self.text)

    def problem(self) -> str:
        """Return what is wrong with the template, or nothing."""
        unknown = self.fields - _TIME_FIELDS.keys() - {_DROP_FIELD}
        wanted = fields_of(self.partitioning.grain)
        if unknown:
            return f"unknown field {{{min(unknown)}}}"
        if self.fields not in wanted:
            grain = self.partitioning.grain
            return f"fields {sorted(self.fields)} do not name one partition of a source cut by `{grain}`"
        parts = self.text.split("/")
        if any(part in ("", ".", "..") for part in parts):
            return "not a path below the staging area"
        if any("**" in part for part in parts):
            return "`**` stands for any number of folders; a drop's files lie at one depth"
        return ""

    def example(self, source: str) -> str:
        """Return a path that names the partitions of a source, with the suffixes of this one."""
        suffixes = _SUFFIXES.search(self.text)
        return f"{source}/{self.partitioning.grain.paths[0]}{suffixes[0] if suffixes else ''}"

    def of(self, key: str) -> str:
        """Return the path (a pattern, if it may be several files) of a partition, by its key."""
        grain = self.partitioning.grain
        if grain is Grain.SNAPSHOT:
            return self.text
        if grain is Grain.DROP:
            return self.text.replace(f"{{{_DROP_FIELD}}}", key)
        start = self.partitioning.interval(key)[0]
        return _FIELD.sub(lambda match: start.strftime(_TIME_FIELDS[match[1]][0]), self.text)

    def key_of(self, path: str) -> str | None:
        """Return the key of the partition that a path belongs to, None if it is none of this source."""
        match = self._regex.fullmatch(path)
        if match is None:
            return None
        grain = self.partitioning.grain
        if grain is Grain.SNAPSHOT:
            return SNAPSHOT_PARTITION
        found = match.groupdict()
        if grain is Grain.DROP:
            key = found[_DROP_FIELD]
            return key if self.partitioning.holds(key) else None
        try:
            moment = _moment(found)
        except ValueError:
            return None
        if moment.year == MAXYEAR:  # its last partition would end beyond the calendar
            return None
        return self.partitioning.key_at(moment) if grain.span.floor(moment) == moment else None

    def may_lie_below(self, folder: str) -> bool:
        """Return whether a file of any partition may lie in a folder, or below it; "" is the area's own."""
        parts, depth = self.text.split("/"), len(folder.split("/"))
        if not folder:
            return True
        above = DropTemplate("/".join(parts[:depth]), self.partitioning)
        return depth < len(parts) and above._regex.fullmatch(folder) is not None

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        pattern, seen, at = "", set[str](), 0
        for match in _FIELD.finditer(self.text):
            pattern += _literal(self.text[at : match.start()])
            name = match[1]
            known = _DROP_PATTERN if name == _DROP_FIELD else _TIME_FIELDS[name][1]
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>{known})"
            seen.add(name)
            at = match.end()
        # Digits of other scripts are no digits of a date.
        return re.compile(_without_dot_files(pattern + _literal(self.text[at:])), re.ASCII | re.DOTALL)


def _literal(text: str) -> str:
    return "".join({"*": _ANY, "?": _ONE}.get(letter, re.escape(letter)) for letter in text)


def _without_dot_files(pattern: str) -> str:
    """Let no wildcard at the beginning of a part match a dot: hidden files are nobody's, as in a shell."""
    for wild in (_ANY, _ONE):
        pattern = pattern.replace(f"/{wild}", f"/(?![.]){wild}")
    return f"(?![.]){pattern}" if pattern.startswith((_ANY, _ONE)) else pattern


def _moment(found: Mapping[str, str]) -> datetime:
    """Return the start of the partition that these fields name; ValueError if there is no such day."""
    if "week" in found:
        year, week = found["week"].split("-W")
        return datetime.combine(date.fromisocalendar(int(year), int(week), 1), time(), UTC)
    if "week_year" in found:
        return datetime.combine(
            date.fromisocalendar(int(found["week_year"]), int(found["week_number"]), 1), time(), UTC
        )
    if "date" in found:
        moment = datetime.fromisoformat(found["date"])
    else:
        moment = datetime(int(found["year"]), int(found.get("month", 1)), int(found.get("day", 1)))
    return moment.replace(hour=int(found.get("hour", 0)), tzinfo=UTC)


def default_completion(template: DropTemplate) -> Completion:
    """Return the `.done` marker of a template.

    For one file its own name without suffixes. For several it stands in the last folder that is no pattern:
    `.done`, if that folder names the partition, or else the fields of what follows.
    """
    parts = template.text.split("/")
    if not template.several:
        at, name = len(parts) - 1, _without_suffixes(parts[-1])
    else:
        at = next(at for at, part in enumerate(parts) if "*" in part or "?" in part)
        above, below = (_FIELD.findall("/".join(some)) for some in (parts[:at], parts[at:]))
        lacking = [] if template.fields <= set(above) else dict.fromkeys(below)
        name = "-".join(f"{{{field}}}" for field in lacking)
    marker = "/".join([*parts[:at], f"{name}.done"])
    return Completion(CompleteOn.MARKER, DropTemplate(marker, template.partitioning))


def _without_suffixes(name: str) -> str:
    """Return a file's name without what follows the first dot after its last field."""
    head, brace, tail = name.rpartition("}")
    hidden = "." if not brace and tail.startswith(".") else ""
    return head + brace + hidden + tail.removeprefix(hidden).partition(".")[0]
