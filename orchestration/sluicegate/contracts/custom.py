"""`customProperties`: where ODCS keeps what the standard does not name, and we keep what is ours.

Belongs here: reading one list of them strictly. Does not belong here: what they mean.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, cast

from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.problems import did_you_mean
from sluicegate.core.yaml_files import YamlFile


class CustomProperties:
    """One list of custom properties, at `at` in the file; only names in `known` may stand in it."""

    def __init__(self, file: YamlFile, at: tuple[str | int, ...], known: Sequence[str]) -> None:
        self._file = file
        self._at = (*at, "customProperties")
        self._places: dict[str, int] = {}
        self._values: dict[str, Any] = {}
        holder: Any = file.data
        for step in at:
            holder = holder[step]
        for index, item in enumerate(cast("list[dict[str, Any]]", holder.get("customProperties") or [])):
            name = str(item.get("property"))
            if name not in known:
                file.complain(
                    f"unknown custom property `{name}`",
                    expected=f"one of: {', '.join(sorted(known))}",
                    fix=did_you_mean(name, known),
                    at=(*self._at, index, "property"),
                    code="SLU-P006",
                )
            elif name in self._values:
                file.complain(
                    f"custom property `{name}` stands twice", expected="one of each",
                    fix="remove one of them", at=(*self._at, index, "property"), code="SLU-P009",
                )  # fmt: skip
            self._places[name] = index
            self._values[name] = item.get("value")

    def problem(self, name: str, code: str, what: str, expected: str, fix: str) -> None:
        """Note what is wrong with a property."""
        at = (*self._at, self._places[name], "value") if name in self._places else self._at
        self._file.complain(what, expected=expected, fix=fix, at=at, code=code)

    def has(self, name: str) -> bool:
        """Whether the property is there."""
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Return a text; what YAML makes something else of is a problem."""
        return self._text(name, self._values[name]) if name in self._values else default

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts; one text alone is a list of it."""
        if name not in self._values:
            return ()
        value = self._values[name]
        if not isinstance(value, list):
            return (self._text(name, value),)
        return tuple(self._text(name, item, index) for index, item in enumerate(cast("list[Any]", value)))

    def _text(self, name: str, value: object, *within: int) -> str:
        if not isinstance(value, str):
            at = (*self._at, self._places[name], "value", *within)
            self._file.complain(
                f"`{name}` has `{self._file.written(*at) or value}`, which is no text to YAML",
                expected="a text", fix="write it in quotes", at=at, code="SLU-P008",
            )  # fmt: skip
        return str(value)

    def choice(self, name: str, allowed: Sequence[str], default: str | None = None) -> str:
        """Return one of `allowed`; anything else is a problem, and the answer is empty."""
        value = str(self._values.get(name, default))
        if value in allowed:
            return value
        self.problem(
            name, "SLU-P008", f"custom property `{name}` is `{value}`", f"one of: {', '.join(allowed)}",
            f"add `- property: {name}` with one of them as its value",
        )  # fmt: skip
        return ""

    def whole_number(self, name: str) -> int | None:
        """Return a number of 0 or more; None without one."""
        value = self._values.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
            return value
        self.problem(
            name, "SLU-P008", f"custom property `{name}` is `{value}`", "a whole number, 0 or more",
            "correct the value",
        )  # fmt: skip
        return None

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self._values.get(name, default)
        if isinstance(value, bool):
            return value
        self.problem(
            name, "SLU-P008", f"custom property `{name}` is `{value}`", "true or false", "correct the value"
        )
        return default

    def mapping(
        self, name: str, keys: Sequence[str] | None, values: Sequence[str] | None
    ) -> Mapping[str, str]:
        """Return a mapping whose keys and values are of the given ones (None: any)."""
        value = self._values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.problem(
                name, "SLU-P008", f"custom property `{name}` is `{value}`", "a mapping",
                f"write it as in `{{{(keys or ['name'])[0]}: {(values or ['value'])[0]}}}`",
            )  # fmt: skip
            return {}
        found: dict[str, str] = {}
        for key, item in cast("dict[Any, Any]", value).items():
            for said, allowed in ((str(key), keys), (str(item), values)):
                if allowed is not None and said not in allowed:
                    self.problem(
                        name, "SLU-P008", f"custom property `{name}` says `{said}`",
                        f"one of: {', '.join(allowed)}", did_you_mean(said, allowed),
                    )  # fmt: skip
                    break
            else:
                found[str(key)] = str(item)
        return found

    def moment(self, name: str, partitioning: Partitioning) -> datetime | None:
        """Return the start of a partition: its key, or the day that it starts on, as 2022-08-01."""
        value = self._values.get(name)
        grain = partitioning.grain
        try:
            if isinstance(value, datetime | date) or partitioning.holds(str(value)) is False:
                moment = datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
            else:
                moment = partitioning.interval(str(value))[0]
            if grain.span.floor(moment) != moment:
                raise ValueError
        except ValueError:
            example = partitioning.key_at(datetime(2022, 8, 1, tzinfo=UTC))
            said = {Grain.DAILY: "the first day of the feed"}.get(grain, f"the first {grain} partition")
            self.problem(
                name, "SLU-P008", f"custom property `{name}` is `{value}`", f"{said}, as {example}",
                "add it under customProperties",
            )  # fmt: skip
            return None
        return moment
