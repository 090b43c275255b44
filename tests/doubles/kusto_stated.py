"""What a command of the Kusto double says, by Microsoft's parser: its parts, properties and policies.

Belongs here: reading a parsed command. Does not: what it changes (`kusto_objects`).

Sources, under https://learn.microsoft.com/kusto/management/: "retention-policy" (SoftDeletePeriod,
Recoverability), "cache-policy" (`hot`, or `hotdata` and `hotindex`), "update-policy" (what is left out is
false, and an object is enabled).
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from sluicegate.kusto.language.engine import Command

from .kusto_language import Refused, syntax_error
from .kusto_policies import Answer, policy_shown

_POLICIES = {
    "Retention": "RetentionPolicy", "Caching": "CachingPolicy", "Update": "UpdatePolicy",
    "RowLevelSecurity": "RowLevelSecurityPolicy",
}  # fmt: skip
_POLICY_KIND = re.compile(r"(?:Show|Alter|AlterMerge)TablePolicy(\w+)")


class Stated:
    """A command's text with its parts by Microsoft's names."""

    def __init__(self, text: str, command: Command) -> None:
        self.kind = command.kind
        self.whole = text
        self._command = command

    def value(self, part: str) -> str:
        """The value of the first part of a name."""
        return next((one.value for one in self._command.parts if one.name == part), "")

    def text(self, part: str) -> str:
        """The text of the first part of a name."""
        spans = (one.span for one in self._command.parts if one.name == part)
        return next((self.whole[span.start : span.end].strip() for span in spans), "")

    def pairs(self, first: str, second: str) -> list[tuple[str, str]]:
        """The values of two parts that come in turns."""
        found = [[one.value for one in self._command.parts if one.name == name] for name in (first, second)]
        return list(zip(*found, strict=True))

    def properties(self) -> dict[str, str]:
        """What stands in `with (…)`; the parser does not name all names."""
        found = dict[str, str]()
        for one in self._command.parts:
            if one.name == "PropertyValue":
                before = re.search(r"(\w+)\s*=\s*$", self.whole[: one.span.start])
                assert before is not None
                found[before[1]] = one.value
        return found

    def word_after(self, word: str) -> str:
        """The word that follows another."""
        found = re.search(rf"\b{word}\s+(\w+)", self.whole)
        return found[1].lower() if found else ""

    def word_before(self, word: str) -> str:
        """The word that another follows."""
        found = re.search(rf"(\w+)\s+{word}\b", self.whole)
        return found[1] if found else ""

    def ends_in(self, word: str) -> bool:
        """Whether that is the last word."""
        return self.whole.rstrip().lower().endswith(word)

    def check_json(self, part: str, kind: type[Any]) -> Any:
        """The value of a part that is JSON of a kind.

        Raises:
            Refused: it is none.
        """
        try:
            found = json.loads(self.value(part))
        except ValueError:
            found = None
        if not isinstance(found, kind):
            raise Refused(
                "BadRequest_InvalidPolicy", "Kusto.Data.Exceptions.PolicyException", f"{part} is no {kind}"
            )
        return found


def policy_named(
    kind: str, table: str = "", policies: Mapping[str, Any] | None = None, security: Any = None
) -> Answer | None:
    """A policy that a kind of command shows or alters, of a table; None where it is of no policy here."""
    found = _POLICY_KIND.fullmatch(kind)
    if found is None or found[1] not in _POLICIES:
        return None
    said = security if found[1] == "RowLevelSecurity" else (policies or {}).get(found[1])
    return policy_shown(_POLICIES[found[1]], table, said, "Table")


def retention(said: Stated, before: Any, merges: bool) -> dict[str, Any]:
    """A retention policy; what a merge leaves out stays, what a whole one leaves out is as by default."""
    if said.value("RetentionPolicy"):
        given = said.check_json("RetentionPolicy", dict)
    else:
        given = {}
        if said.value("SoftDeleteValue"):
            given["SoftDeletePeriod"] = said.value("SoftDeleteValue")
        if word := re.search(r"recoverability\s*=\s*(\w+)", said.whole):
            given["Recoverability"] = word[1].capitalize()
    defaults = {"SoftDeletePeriod": "36500.00:00:00", "Recoverability": "Enabled"}
    return defaults | (before or {} if merges else {}) | given


def caching(said: Stated) -> dict[str, Any]:
    """A caching policy as it is shown: each span in an object of its own."""
    both = said.value("Timespan")
    data, index = said.value("HotData") or both, said.value("HotIndex") or both
    if not data or not index:
        raise syntax_error("a caching policy without spans")
    return {"DataHotSpan": {"Value": data}, "IndexHotSpan": {"Value": index}}


def update(said: Stated) -> list[dict[str, Any]]:
    """The objects of an update policy, with what is left out."""
    usual = {"IsEnabled": True, "IsTransactional": False, "PropagateIngestionProperties": False}
    found = said.check_json("UpdatePolicy", list)
    for one in found:
        if not isinstance(one, dict) or not {"Source", "Query"} <= {*one}:
            raise Refused("BadRequest_InvalidPolicy", "Kusto.Data.Exceptions.PolicyException", str(one))
    return [usual | one for one in found]
