"""Two contracts of what an export delivers -> what has changed for whoever receives it.

The other side of `contracts.changes`, in the same words: there a provider's change breaks us, here ours
breaks the receiver. What the receiver could rely on and cannot any more is breaking; what comes besides is
not.
Belongs here: comparing, and which version says so. Does not belong here: what the contract is made of.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from sluicegate.columns.delivered_contract import LAST_MILE, MODEL_COLUMN, ROWS_FROM
from sluicegate.contracts.changes import Change, Weight
from sluicegate.contracts.classes import ClassRules
from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS
from sluicegate.contracts.diff import is_version, next_version
from sluicegate.contracts.rule_changes import Verdict, limit_verdict
from sluicegate.contracts.standard import against_standard
from sluicegate.core.freshness import DurationError, duration, in_words
from sluicegate.core.problems import Mistyped, ProjectError
from sluicegate.core.yaml_files import Location, YamlFile, read_yaml
from sluicegate.delivery.export_files.exports import Export

RECEIVERS = "receivers"
_Found = tuple[Weight, str, Location]
_Json = Mapping[str, Any]
_NUMBERS = ("mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo")
_COMPARED = frozenset({
    "version", "apiVersion", "kind", "id", "name", "status", "servers", "schema", "slaProperties",
    "customProperties",
})  # fmt: skip
_OF_PROPERTY = ("description", "businessName", "tags", "transformLogic", "transformSourceObjects")


def read_contract(path: Path, export: str) -> _Json:
    """Read the contract of an export as it was written before.

    Raises:
        ProjectError: it is no contract by the standard.
        ValueError: it is another export's, or its version is none.
    """
    read = read_yaml(path, path.parent)
    if not isinstance(read, YamlFile):
        raise ProjectError([read])
    tables = read.data.get("schema")
    if not isinstance(tables, list) or not tables:
        read.complain(
            "no `schema`", expected=f"a contract of `{export}`", fix=_again(export, path), code="SLU-P007"
        )
        raise ProjectError(read.problems)
    against_standard(read)
    if read.problems:
        raise ProjectError(read.problems)
    named, version = str(read.data.get("name")), str(read.data.get("version"))
    if named != export:
        raise Mistyped(
            "SLU-C004", f"{path}: the contract of `{named}`; expected that of `{export}`; name its file"
        )
    if not is_version(version):
        raise Mistyped(
            "SLU-C004",
            f"{path}: version is `{version}`; expected a semantic version, as 1.4.0; write three numbers",
        )
    return read.data


def _again(export: str, path: Path) -> str:
    return f"`sluice export contract {export} --output {path}` writes one, where no file is"


def delivered_changes(before: _Json, after: _Json, export: Export, rules: ClassRules) -> list[Change]:
    """Return what has changed for whoever receives an export, heaviest first; lines are the export file's.

    `rules` say which class is more open than another.
    """
    found = [
        *_server(before, after),
        *_custom(before, after),
        *_key(before, after),
        *_fields(before, after, rules),
        *_promise(before, after),
        *_quality("", _table(before), _table(after), ()),
        *_notes(before, after),
    ]
    changes = [
        Change(
            export.name, export.file.name, export.file.line(*at), weight,
            "" if weight is Weight.NOTE else RECEIVERS, what,
        )
        for weight, what, at in found
    ]  # fmt: skip
    order = list(Weight)
    return sorted(changes, key=lambda change: (order.index(change.weight), change.line))


def raised_version(before: _Json, changes: Iterable[Change]) -> str:
    """Return the version that says what has changed since a contract."""
    version = str(before["version"])
    weights = {change.weight for change in changes}
    weight = next((weight for weight in Weight if weight in weights), None)
    return version if weight is None else next_version(version, weight)


def _was(name: str, after: object, before: object) -> str:
    return f"{name} is {_shown(after)}, was {_shown(before)}"


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, cast("Sequence[object]", value)))
    elif isinstance(value, timedelta):
        value = in_words(value)
    return f"`{value}`" if value not in ("", None) else "nothing"


def _table(contract: _Json) -> _Json:
    return cast("Sequence[_Json]", contract.get("schema") or [{}])[0]


def _properties(contract: _Json) -> dict[str, _Json]:
    return {str(item.get("name")): item for item in _table(contract).get("properties") or []}


def _said(holder: _Json) -> dict[str, Any]:
    """Return {name: value} of `customProperties`."""
    listed = cast("Iterable[_Json]", holder.get("customProperties") or [])
    return {str(item.get("property")): item.get("value") for item in listed}


def _server(before: _Json, after: _Json) -> Iterator[_Found]:
    old, new = (cast("Sequence[_Json]", one.get("servers") or [{}])[0] for one in (before, after))
    pairs = {"connection": (old.get("server"), new.get("server"), ("destination", "connection"))}
    these, those = _said(old), _said(new)
    for name, field in (("destinationType", "type"), ("object", "object")):
        pairs[field] = (these.get(name), those.get(name), ("destination", field))
    for name, (was, is_, at) in pairs.items():
        if was != is_:
            yield Weight.BREAKING, _was(name, is_, was), at


def _custom(before: _Json, after: _Json) -> Iterator[_Found]:
    """How a delivery changes what is there, and what keeps rows from it."""
    old, new = _said(before), _said(after)
    for name, at in (("mode", "mode"), ("partitions", "partitions"), ("partitionGrain", "model")):
        if old.get(name) != new.get(name):
            yield Weight.BREAKING, _was(name, new.get(name), old.get(name)), (at,)
    these, those = (
        {str(rule.get("rule")): rule.get("until") for rule in one.get(LAST_MILE) or []} for one in (old, new)
    )
    for rule, end in those.items():
        if rule not in these:
            yield Weight.BREAKING, f"{rule}, until {end}", ("last_mile",)
        elif end != these[rule]:
            yield Weight.NOTE, _was(f"{rule}: the last day", end, these[rule]), ("last_mile",)
    for rule in these:
        if rule not in those:
            yield Weight.COMPATIBLE, f"no longer: {rule}", ("last_mile",)
    share = [float((one.get("refusals") or {}).get("tolerated_share") or 0) for one in (old, new)]
    if share[1] != share[0]:
        weight = Weight.BREAKING if share[1] > share[0] else Weight.COMPATIBLE
        yield weight, _was("share of rows that may be refused", share[1], share[0]), ("refusals",)
    if old.get("limits") != new.get("limits"):
        yield Weight.NOTE, "limits, past which a delivery waits for a person, changed", ("limits",)


def _key(before: _Json, after: _Json) -> Iterator[_Found]:
    renamed = _renamed(before, after)
    old, new = (
        [
            str(item["name"])
            for item in sorted(
                _properties(one).values(), key=lambda item: int(item.get("primaryKeyPosition") or 0)
            )
            if item.get("primaryKey")
        ]
        for one in (before, after)
    )
    if [renamed.get(name, name) for name in old] != new:
        yield Weight.BREAKING, _was("key", new, old), ("key",)


def _renamed(before: _Json, after: _Json) -> dict[str, str]:
    """Return {earlier field: later field} of what is the same column of the model."""
    old, new = _properties(before), _properties(after)
    columns = {
        str(_said(item).get(MODEL_COLUMN, name)): name for name, item in new.items() if name not in old
    }
    gone = {str(_said(item).get(MODEL_COLUMN, name)): name for name, item in old.items() if name not in new}
    return {name: columns[column] for column, name in gone.items() if column in columns}


def _fields(before: _Json, after: _Json, rules: ClassRules) -> Iterator[_Found]:
    old, new, renamed = _properties(before), _properties(after), _renamed(before, after)
    for name, item in old.items():
        later = new.get(renamed.get(name, name))
        if later is None:
            yield Weight.BREAKING, f"field `{name}` is gone", ("model",)
            continue
        column = str(_said(later).get(MODEL_COLUMN, later["name"]))
        if later["name"] != name:
            yield Weight.BREAKING, f"field `{name}` is now named `{later['name']}`", ("names", column)
        for weight, what in _field(item, later, rules):
            yield weight, f"field `{later['name']}`: {what}", ("names", column)
    for name, item in new.items():
        if name not in old and name not in renamed.values():
            closed = [name for name in _classes(item) if name not in OPEN_CLASSIFICATIONS]
            classed = f", and {', '.join(closed)}" if closed else ""
            yield Weight.COMPATIBLE, f"field `{name}` is new{classed}", ("model",)
    kept = [renamed.get(name, name) for name in old if renamed.get(name, name) in new]
    if kept != [name for name in new if name in kept]:
        yield Weight.NOTE, "the order of the fields", ("model",)


def _field(old: _Json, new: _Json, rules: ClassRules) -> Iterator[tuple[Weight, str]]:
    types = [one.get("physicalType") or one.get("logicalType") for one in (old, new)]
    if types[0] != types[1]:
        yield Weight.BREAKING, _was("type", types[1], types[0])
    for name, lost, won in (
        ("required", "may be null now", "is never null now"),
        ("unique", "may repeat now", "is unique now"),
    ):
        before, after = bool(old.get(name)), bool(new.get(name))
        if before != after:
            yield (Weight.COMPATIBLE, won) if after else (Weight.BREAKING, lost)
    if bool(old.get("partitioned")) != bool(new.get("partitioned")):
        yield (
            Weight.BREAKING,
            "tells the partition now" if new.get("partitioned") else "tells no partition now",
        )
    before, after = (_classes(one) for one in (old, new))
    if before != after:
        lowered = all(any(rules.within(class_, other) for other in before) for class_ in after)
        yield Weight.COMPATIBLE if lowered else Weight.BREAKING, _was("class", after, before)
    for weight, what, _ in _quality("", old, new, ()):
        yield weight, what
    for name in _OF_PROPERTY:
        if old.get(name) != new.get(name) and name != "transformSourceObjects":
            said = f"comes from {_shown(new.get(name))}, was {_shown(old.get(name))}"
            yield Weight.NOTE, said if name == "transformLogic" else f"`{name}` changed"


def _classes(property_: _Json) -> list[str]:
    return [name for name in str(property_.get("classification") or "").split(", ") if name]


def _promise(before: _Json, after: _Json) -> Iterator[_Found]:
    """When it arrives."""
    old, new = _spans(before), _spans(after)
    for name in sorted(old.keys() | new.keys()):
        verdict = limit_verdict(old.get(name), new.get(name), 1)
        if verdict is not None:
            weight = Weight.BREAKING if verdict is Verdict.LOOSER else Weight.COMPATIBLE
            yield weight, _was(_TIMES.get(name, name), new.get(name), old.get(name)), ("deadline",)


_TIMES = {"latency": "deadline"}


def _spans(contract: _Json) -> dict[str, timedelta]:
    found: dict[str, timedelta] = {}
    for item in cast("Iterable[_Json]", contract.get("slaProperties") or []):
        try:
            found[str(item.get("property"))] = duration(item.get("value"), item.get("unit"))
        except DurationError:  # for people: a property that we do not write
            continue
    return found


def _quality(prefix: str, old: _Json, new: _Json, at: Location) -> Iterator[_Found]:
    """What checks promise: one that is gone, or lets more pass, breaks what was relied on."""
    before, after = _rules(old), _rules(new)
    for name, rule in before.items():
        later = after.get(name)
        if later is None:
            if name[0] != "nullValues":  # told as `required`
                yield Weight.BREAKING, f"{prefix}no longer promised: {_rule_said(rule)}", at
        elif (verdict := _verdict(rule, later)) is not None:
            weight = Weight.BREAKING if verdict is Verdict.LOOSER else Weight.COMPATIBLE
            yield weight, f"{prefix}{_was('rule', _rule_said(later), _rule_said(rule))}", at
    for name, rule in after.items():
        if name not in before and name[0] != "nullValues":
            yield Weight.COMPATIBLE, f"{prefix}promised now: {_rule_said(rule)}", at


def _rules(holder: _Json) -> dict[tuple[str, ...], _Json]:
    """Return rules by what they are about, whatever their bounds."""
    found: dict[tuple[str, ...], _Json] = {}
    for rule in cast("Iterable[_Json]", holder.get("quality") or []):
        arguments = cast("_Json", rule.get("arguments") or {})
        implementation = rule.get("implementation")
        if rule.get("metric"):
            about = [str(rule["metric"]), *sorted(arguments), *map(str, arguments.get("properties") or [])]
        elif isinstance(implementation, dict):
            made = cast("_Json", implementation)
            kwargs = cast("_Json", made.get("kwargs") or {})
            columns = [
                str(kwargs[name])
                for name in ("column", "column_A", "column_B", "column_list")
                if name in kwargs
            ]
            about = [str(made.get("type")), *columns]
        else:
            about = [str(rule.get("type")), str(rule.get("description"))]
        found.setdefault(tuple(about), rule)
    return found


def _verdict(old: _Json, new: _Json) -> Verdict | None:
    """Return whether a rule lets more pass than before; None where it is the same."""
    these, those = _bounds(old), _bounds(new)
    if these == those:
        return None
    values = [one.get("validValues") for one in (these, those)]
    if all(isinstance(one, list) for one in values):
        gained = [
            value for value in cast("list[Any]", values[1]) if value not in cast("list[Any]", values[0])
        ]
        if {**these, "validValues": 0} == {**those, "validValues": 0}:
            return Verdict.LOOSER if gained else Verdict.TIGHTER
    verdicts = {
        limit_verdict(these.get(name), those.get(name), side)
        for names, side in ((_LEAST, -1), (_MOST, 1))
        for name in names
    } - {None}
    others = [{k: v for k, v in one.items() if k not in (*_LEAST, *_MOST)} for one in (these, those)]
    if others[0] == others[1] and verdicts == {Verdict.TIGHTER}:
        return Verdict.TIGHTER
    return Verdict.LOOSER  # or it cannot be told


_LEAST = ("least", "min_value", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mostly")
_MOST = ("most", "max_value", "mustBeLessThan", "mustBeLessOrEqualTo")


def _bounds(rule: _Json) -> dict[str, Any]:
    """Return what a rule says of values, a range as its two ends."""
    implementation = rule.get("implementation")
    made = cast("_Json", implementation) if isinstance(implementation, dict) else {}
    said = {
        name: value
        for name, value in {**rule, **cast("_Json", made.get("kwargs") or {})}.items()
        if name
        not in ("description", "severity", "dimension", "name", "implementation", "arguments", "id", "tags")
    }
    said |= cast("_Json", rule.get("arguments") or {})
    between = said.pop("mustBeBetween", None)
    if isinstance(between, list) and len(cast("list[Any]", between)) == 2:
        said["least"], said["most"] = cast("list[Any]", between)
    exactly = said.pop("mustBe", None) if rule.get("metric") == "rowCount" else None
    if exactly is not None:
        said["least"] = said["most"] = exactly
    for name, end in (("mustBeGreaterOrEqualTo", "least"), ("mustBeLessOrEqualTo", "most")):
        if name in said:
            said[end] = said.pop(name)
    return said


def _rule_said(rule: _Json) -> str:
    bounds = {
        name: value for name, value in _bounds(rule).items() if name not in ("type", "metric", "engine")
    }
    implementation = rule.get("implementation")
    made = str(cast("_Json", implementation).get("type")) if isinstance(implementation, dict) else ""
    name = str(rule.get("metric") or made or rule.get("description") or "")
    return (
        f"{name}({', '.join(f'{key} {_plainly(value)}' for key, value in bounds.items())})"
        if bounds
        else name
    )


def _plainly(value: object) -> str:
    return ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)


def _notes(before: _Json, after: _Json) -> Iterator[_Found]:
    """What is for people alone."""
    for name in sorted((before.keys() | after.keys()) - _COMPARED):
        if before.get(name) != after.get(name):
            yield Weight.NOTE, f"{name} changed", (_PLACES.get(name, "model"),)
    if _said(_table(before)).get(ROWS_FROM) != _said(_table(after)).get(ROWS_FROM):
        yield Weight.NOTE, "other columns of sources decide which rows are sent", ("model",)
    classes = [_said(one).get("classes") for one in (before, after)]
    if classes[0] != classes[1]:
        yield Weight.NOTE, _was("classes that may be sent", classes[1], classes[0]), ("classes",)


_PLACES = {"description": "purpose", "team": "owner", "support": "channel"}
