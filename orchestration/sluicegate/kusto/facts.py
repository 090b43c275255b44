"""What a command says, as facts that can be compared with what a database holds: {what: value}.

Belongs here: one spelling for what may be spelled in many ways: properties, parameters, policies; queries as
their words. Does not belong here: what the database holds (`held`), what differs (`plan`).

A fact is never a text with its blanks and comments, and two facts are equal only if they mean the same: words
are Microsoft's parser's, strings are compared by what they say where that is all that counts, and within a
query by how they are written.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sluicegate.kusto.objects import Statement
from sluicegate.kusto.spellings import HIDDEN, is_obfuscated, is_string, string, ticks, type_name, value

# Texts to their words: Microsoft's parser, or what is kept of its answers.
Words = Callable[[str], Sequence[str]]
Facts = Mapping[str, Any]
# Properties that a database shows of a function or a view, and how each is compared.
SHOWN: Mapping[str, Callable[[str], Any]] = {
    "folder": string, "docstring": string, "lookback": ticks, "autoupdateschema": str.lower,
}  # fmt: skip
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")
_USUAL_UPDATE = {"IsEnabled": True, "IsTransactional": False, "PropagateIngestionProperties": False}


def facts_of(statement: Statement, words: Words) -> Facts:
    """Return what a command says, by its kind.

    Raises:
        ValueError: nobody knows what a command of that kind says.
    """
    said = _Said(words(statement.text), words)
    kind = statement.kind
    if kind == "CreateOrAlterFunction":
        return said.function()
    if kind.startswith("CreateOrAlterMaterializedView"):
        return said.view()
    if kind in _OF_TABLES:
        return _OF_TABLES[kind](said)
    raise ValueError(f"{kind}: nobody here knows what such a command says")


def function_facts(parameters: str, body: str, words: Words) -> dict[str, Any]:
    """Return what a function is, by its parameters and body in any spelling."""
    return {"parameters": _parameters(words(parameters)), "body": query_words(words(body))}


def query_words(words: Sequence[str]) -> list[str]:
    """Return the words of a query or body, without the braces around it; what is obfuscated is alike."""
    if words and words[0] == "{" and _end_of(words, 0) == len(words):
        words = words[1:-1]
    return [HIDDEN if is_obfuscated(word) else word for word in words]


def hides(facts: Facts) -> bool:
    """Whether a query has strings that a database does not show."""
    return any(isinstance(fact, list) and HIDDEN in fact for fact in facts.values())


def property_facts(properties: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties that a database shows, by their names in any case."""
    return {
        name.lower(): SHOWN[name.lower()](said) for name, said in properties.items() if name.lower() in SHOWN
    }


def policy_facts(policy: str, said: Any, words: Words) -> dict[str, Any]:
    """Return what a policy in JSON says, by its name in commands: `retention`, `update`."""
    if policy == "update":
        objects = [_update_object(one, words) for one in said or []]
        each = {f"update policy has {one}": True for one in objects}
        return {"update policy": sorted(objects), **each}
    found = dict[str, Any]()
    for name, one in cast("Mapping[str, Any]", said or {}).items():
        inner: Any = one["Value"] if isinstance(one, dict) and "Value" in one else one
        if name == "Query":
            inner = query_words(words(str(inner)))
        elif name in ("SoftDeletePeriod", "DataHotSpan", "IndexHotSpan"):
            inner = ticks(str(inner))
        elif isinstance(inner, str):
            inner = inner.lower()
        found[f"{policy} {name}"] = inner
    return found


def mapping_facts(kind: str, name: str, said: str) -> dict[str, Any]:
    """Return what an ingestion mapping says."""
    return {f"{kind.lower()} mapping {name}": [_mapped(one) for one in json.loads(said)]}


class _Said:
    """The words of one command, taken one after the other."""

    def __init__(self, words: Sequence[str], asked: Words) -> None:
        self._words = list(words)
        self._asked = asked
        self._at = 0

    def function(self) -> Facts:
        self._past("function")
        properties = self._properties()
        self._name()
        end = _end_of(self._words, self._at)
        parameters, body = self._words[self._at : end], self._words[end:]
        facts = {"parameters": _parameters(parameters), "body": query_words(body)}
        # A command that says neither makes a function without.
        return {"folder": "", "docstring": "", **facts, **property_facts(properties)}

    def view(self) -> Facts:
        self._past("view")
        properties = self._properties()
        self._name()
        self._past("on")
        if self._words[self._at] == "table":
            self._at += 1
        else:  # materialized-view
            self._at += 3
        facts = {"source": self._name(), "query": query_words(self._words[self._at :])}
        return {**facts, **property_facts(properties)}

    def create_merge(self) -> Facts:
        self._to_table()
        end = _end_of(self._words, self._at)
        columns = _pairs(self._words[self._at + 1 : end - 1])
        self._at = end
        properties = {key: said for key, said in self._properties().items() if key in ("folder", "docstring")}
        typed = {f"column {name}": type_name(kind[0]) for name, kind in columns}
        return {**typed, **property_facts(properties)}

    def column_docstrings(self) -> Facts:
        self._to_table()
        self._past("docstrings")
        columns = _pairs(self._words[self._at + 1 : -1])
        return {f"docstring of {name}": string(said[0]) for name, said in columns}

    def table_property(self) -> Facts:
        return {self._words[-2]: string(self._words[-1])}

    def mapping(self) -> Facts:
        self._to_table()
        self._past("ingestion")
        kind, name, said = self._words[self._at], self._words[self._at + 2], self._words[self._at + 3]
        return mapping_facts(kind, string(name), string(said))

    def retention(self) -> Facts:
        self._past("retention")
        rest = self._words[self._at :]
        if is_string(rest[0]):
            usual = {} if "merge" in self._words[:4] else {"Recoverability": "Enabled"}
            return policy_facts("retention", usual | json.loads(string(rest[0])), self._asked)
        stated = {rest[i - 1].lower(): rest[i + 1] for i, word in enumerate(rest) if word == "="}
        named = {"softdelete": "SoftDeletePeriod", "recoverability": "Recoverability"}
        return policy_facts("retention", {named[one]: said for one, said in stated.items()}, self._asked)

    def caching(self) -> Facts:
        self._past("caching")
        rest = self._words[self._at :]
        spans = {rest[i - 1].lower(): rest[i + 1] for i, word in enumerate(rest) if word == "="}
        hot = spans.get("hot", "")
        both = {"DataHotSpan": spans.get("hotdata", hot), "IndexHotSpan": spans.get("hotindex", hot)}
        return policy_facts("caching", both, self._asked)

    def row_level_security(self) -> Facts:
        self._past("row_level_security")
        said = {"IsEnabled": self._words[self._at] == "enable", "Query": string(self._words[-1])}
        return policy_facts("row_level_security", said, self._asked)

    def update(self) -> Facts:
        self._past("update")
        facts = policy_facts("update", json.loads(string(self._words[self._at])), self._asked)
        merges = "merge" in self._words[:4]
        return {name: one for name, one in facts.items() if (name != "update policy") is merges}

    def _past(self, word: str) -> None:
        self._at = self._words.index(word, self._at) + 1

    def _to_table(self) -> None:
        self._past("table")
        self._name()

    def _name(self) -> str:
        """Go past a name, which may stand in brackets, and after a database's; return it."""
        name, self._at = _name_at(self._words, self._at)
        while self._at < len(self._words) and self._words[self._at] == ".":
            name, self._at = _name_at(self._words, self._at + 1)
        return name

    def _properties(self) -> dict[str, str]:
        if self._at >= len(self._words) or self._words[self._at] != "with":
            return {}
        end = _end_of(self._words, self._at + 1)
        listed = _split(self._words[self._at + 2 : end - 1])
        self._at = end
        return {one[0].lower(): "".join(one[2:]) for one in listed if one[1:2] == ["="]}


_OF_TABLES: Mapping[str, Callable[[_Said], Facts]] = {
    "CreateMergeTable": _Said.create_merge,
    "CreateOrAlterTableIngestionMapping": _Said.mapping,
    "AlterTableDocString": _Said.table_property,
    "AlterTableFolder": _Said.table_property,
    "AlterMergeTableColumnDocStrings": _Said.column_docstrings,
    "AlterTablePolicyRetention": _Said.retention,
    "AlterMergeTablePolicyRetention": _Said.retention,
    "AlterTablePolicyCaching": _Said.caching,
    "AlterTablePolicyRowLevelSecurity": _Said.row_level_security,
    "AlterTablePolicyUpdate": _Said.update,
    "AlterMergeTablePolicyUpdate": _Said.update,
}


def _parameters(words: Sequence[str]) -> list[Any]:
    """Return [[name, type, default], …]; the type of a table is a list of its columns."""
    found: list[Any] = []
    for one in _split(words[1:-1]):
        if one == ["*"]:
            found.append(["*"])
            continue
        name, at = _name_at(one, 0)
        kind: Any = (
            _parameters(one[at + 1 : _end_of(one, at + 1)]) if one[at + 1] == "(" else type_name(one[at + 1])
        )
        default = one[one.index("=", at) + 1 :] if "=" in one[at:] else None
        found.append([name, kind, None if default is None else value(default, str(kind))])
    return found


def _pairs(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return (name, what stands after its colon) of a list."""
    found: list[tuple[str, list[str]]] = []
    for one in _split(words):
        name, at = _name_at(one, 0)
        found.append((name, one[at + 1 :]))
    return found


def _name_at(words: Sequence[str], at: int) -> tuple[str, int]:
    if words[at] == "[":
        return string(words[at + 1]), at + 3
    # `a-b` is a name too, of three words.
    end = at + 1
    while end + 1 < len(words) and words[end] == "-":
        end += 2
    return string("".join(words[at:end])), end


def _split(words: Sequence[str]) -> list[list[str]]:
    """Return the parts of a list, by the commas that stand in no brackets."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in _OPENING) - (word in _CLOSING)
        if word == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _end_of(words: Sequence[str], at: int) -> int:
    """Return the place behind the bracket that closes the one at a place."""
    depth = 0
    for place in range(at, len(words)):
        depth += (words[place] in _OPENING) - (words[place] in _CLOSING)
        if not depth:
            return place + 1
    return len(words)


def _update_object(said: Mapping[str, Any], words: Words) -> str:
    """Return one spelling of an object of an update policy; what is left out is as by default."""
    shown = {name: one for name, one in (_USUAL_UPDATE | dict(said)).items() if one is not None}
    return json.dumps(shown | {"Query": query_words(words(str(shown["Query"])))}, sort_keys=True)


def _mapped(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return one spelling of an element of a mapping: old ones have their properties beside the column."""
    found = {name.lower(): one for name, one in said.items() if one not in (None, "", {})}
    inner = {name.lower(): str(one) for name, one in found.pop("properties", {}).items()}
    aside = {
        name: str(found.pop(name))
        for name in ("path", "ordinal", "field", "transform", "constvalue")
        if name in found
    }
    return {**found, "datatype": type_name(str(found.get("datatype", ""))), "properties": {**aside, **inner}}
