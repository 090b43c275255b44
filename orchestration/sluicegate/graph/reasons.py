"""Why a step failed: whether it may pass by itself, and in words without a value of the data.

Belongs here: that, by the class of what was raised, and by what DuckDB and dbt call it in a message. Does not
belong here: what follows from it (`second_tries`, `incidents`).
"""

import re

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

# What is the same at the next try, as long as data and SQL are: DuckDB's name of it without `Exception`
# (https://duckdb.org/docs/current/clients/python/reference), or dbt's without `Error`, and ours.
_LASTS = {
    "binder": "SQL that does not fit its columns: an unknown name, or types that need a cast",
    "compilation": "SQL that dbt cannot compile",
    "constraint": "rows that break a constraint",
    "conversion": "a value that cannot be converted to the type that is asked for",
    "invalidinput": "a value that a function does not take",
    "invalidtype": "a type that does not fit",
    "mismatchtype": "types that do not fit each other",
    "notimplemented": "SQL that the engine does not have",
    "outofrange": "a number out of the range of its type",
    "parser": "SQL that cannot be read",
    "syntax": "SQL that cannot be read",
    "typemismatch": "types that do not fit each other",
}
# What mostly passes: shown for whoever is told that it did not.
_PASSES = {
    "connection": "a connection that broke",
    "connectionerror": "a connection that broke",
    "fatal": "an engine that stopped",
    "http": "an answer of a storage",
    "io": "a file or storage that could not be read or written",
    "memoryerror": "no memory left",
    "operationalerror": "a database that did not answer",
    "oserror": "a file or storage that could not be read or written",
    "outofmemory": "no memory left",
    "timeouterror": "an answer that did not come in time",
    "transaction": "a change of another process at the same time",
    "transactioncontext": "a change of another process at the same time",
}
# Whoever raises it has looked at the data, or wants a person: `steps.SaysNothing` is of another name.
_SAID_NO = {dg.Failure.__name__, "DagsterAssetCheckFailedError"}
_HEADING = re.compile(r"^\s*(\w[\w ]{1,20}?) Error(?::| in |$)", re.MULTILINE)


def what_lasts(said: str) -> str:
    """Return what lasts of what dbt or the engine says of a failure, in words; "" if it may pass."""
    names = (heading[1].replace(" ", "").casefold() for heading in _HEADING.finditer(said))
    return next((_LASTS[name] for name in names if name in _LASTS), "")


def cause_of(error: SerializableErrorInfo | None) -> SerializableErrorInfo | None:
    """Return what was raised first."""
    while error is not None and error.cause is not None:
        error = error.cause
    return error


def may_pass(error: SerializableErrorInfo | None) -> bool:
    """Whether a step that raised this says nothing of the data."""
    name = (cause_of(error) or SerializableErrorInfo("", [], "")).cls_name or ""
    return name not in _SAID_NO and _name(name) not in _LASTS


def in_words(event: dg.DagsterEvent) -> str:
    """Return what a step failed with; "" where nothing more is known that may be shown."""
    data = event.step_failure_data
    why = data.user_failure_data.metadata.get(WHY) if data.user_failure_data else None
    if why is not None:
        return str(why.value)
    error = cause_of(data.error)
    name = _name(error.cls_name or "") if error else ""
    return (_LASTS | _PASSES).get(name, "")


WHY = "why"
"""The name under which a failure says in its metadata, in words, what lasts."""


def _name(cls_name: str) -> str:
    return cls_name.removesuffix("Exception").casefold()
