"""`slaProperties` of a contract -> what is promised about time, or problems with file and line."""

from contextlib import suppress
from datetime import date, timedelta
from typing import Any, cast

from sluicegate.core.freshness import DurationError, duration
from sluicegate.core.partitions import Grain
from sluicegate.core.problems import did_you_mean
from sluicegate.core.yaml_files import YamlFile

# What freshness is made of; ODCS has a short and a long name for each, in whatever case. `maxAge` is ours:
# the standard leaves the names of properties open, and has none for what holds.
MAX_AGE = "maxAge"
_DURATIONS = {
    "latency": "latency", "ly": "latency", "frequency": "frequency", "fy": "frequency", "maxage": MAX_AGE,
}  # fmt: skip
# The standard's other properties are for people and other tools.
_OTHERS = (
    "availability", "throughput", "errorRate", "generalAvailability", "endOfSupport", "endOfLife",
    "retention", "timeOfAvailability", "timeToDetect", "timeToNotify", "timeToRepair",
    "av", "th", "er", "ga", "es", "el", "re", "td", "tn", "tr",
)  # fmt: skip
_PASSED_OVER = frozenset(name.lower() for name in _OTHERS)
_ENDS = frozenset({"endofsupport", "es", "endoflife", "el"})


def promised_durations(file: YamlFile, grain: Grain) -> dict[str, timedelta]:
    """Return `latency`, `frequency` and `maxAge`, where the contract has them; complain of what is wrong.

    A source that is cut by time comes once a partition if nothing else is said.
    """
    found: dict[str, timedelta] = {}
    for index, item in enumerate(cast("list[dict[str, Any]]", file.data.get("slaProperties") or [])):
        at = ("slaProperties", index)
        written = str(item.get("property"))
        name = _DURATIONS.get(written.lower())
        if name is None:
            if written.lower() not in _PASSED_OVER:
                file.complain(
                    f"unknown SLA property `{written}`",
                    expected="latency, frequency, maxAge, or a property of ODCS v3.1 for people to read",
                    fix=did_you_mean(written, ["latency", "frequency", MAX_AGE, *_OTHERS[:11]]),
                    at=(*at, "property"),
                    code="SLU-P006",
                )
            continue
        if name in found:
            file.complain(
                f"SLA property `{name}` stands twice", expected="one promise each",
                fix="remove one of them", at=(*at, "property"), code="SLU-P009",
            )  # fmt: skip
        try:
            found[name] = duration(item.get("value"), item.get("unit"))
        except DurationError as error:
            file.complain(
                f"SLA property `{name}`: {error.what}", expected=error.expected,
                fix="write it as in `value: 30` and `unit: h`", at=(*at, error.field), code="SLU-P008",
            )  # fmt: skip
    if "latency" in found and "frequency" not in found and not grain.timed:
        file.complain(
            "SLA property `latency`: nothing says how often a drop comes",
            expected="`frequency` beside it",
            fix="add `- property: frequency` with value and unit",
            at=("slaProperties",),
            code="SLU-P027",
        )
    if "latency" in found and "frequency" not in found and grain.timed:
        found["frequency"] = grain.span.longest
    return found


def supported_until(file: YamlFile) -> date | None:
    """Return the last day (UTC) of a source's support, or of its life; None where no day is said.

    ODCS leaves open how it is written; what begins with no day is for people.
    """
    ends: list[date] = []
    for item in cast("list[dict[str, Any]]", file.data.get("slaProperties") or []):
        if str(item.get("property")).lower() in _ENDS:
            with suppress(ValueError):
                ends.append(date.fromisoformat(str(item.get("value"))[:10]))
    return min(ends, default=None)
