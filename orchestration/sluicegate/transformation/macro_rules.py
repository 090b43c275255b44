"""Whose name a macro may have: nobody's to whom dbt would listen in the place of its own or of ours.

dbt takes the project's macro before its own, at each of its own calls and at each dispatch, whose names have
the prefix of an engine or `default__`. A package's it takes so in all that it does for the package's own
tables, and for tests; the rest answers to the package's name alone: one may have a `date_spine` beside dbt's.
Belongs here: names. Does not belong here: what a macro does (`jinja_rules`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.jinja_rules import DBTS_NAMES, line_of
from sluicegate.transformation.manifest import DbtManifest, file_of
from sluicegate.transformation.shared_macros import is_shared

# A project says itself how its relations are called: the graph reads what comes of it.
_THE_PROJECTS = frozenset({"generate_alias_name", "generate_database_name", "generate_schema_name"})
# What every text of Jinja has, and nobody looks for elsewhere.
_JINJAS = frozenset({"cycler", "dict", "joiner", "lipsum", "namespace", "range"})
_TEST, _MATERIALIZATION = "test_", "materialization_"


def macro_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield the macros that take a name of dbt's or ours, and all materializations."""
    metadata = manifest.content["metadata"]
    own, adapter = str(metadata["project_name"]), str(metadata["adapter_type"])
    dbts = ("dbt", f"dbt_{adapter}")
    macros = list(manifest.content["macros"].values())
    taken_from = dict.fromkeys(_JINJAS, "Jinja's own") | dict.fromkeys(DBTS_NAMES, "dbt's own")
    taken_from |= {str(macro["package_name"]): "the package" for macro in macros}
    taken_from |= {str(macro["name"]): "dbt's own" for macro in macros if macro["package_name"] in dbts}
    # Some of ours are in the place of dbt's.
    taken_from |= {str(macro["name"]): "the platform's" for macro in macros if is_shared(macro)}
    heard = _names_in_dbts_work(manifest.content, dbts) | _THE_PROJECTS | DBTS_NAMES
    for macro in macros:
        if macro["package_name"] in dbts or is_shared(macro):
            continue
        name = str(macro["name"])
        if name.startswith(_MATERIALIZATION):
            yield _materialization(settings, manifest, macro)
            continue
        base = _dispatched(name, adapter)
        stands_for = next((one for one in (name, base) if one in taken_from), None)
        if stands_for is None or (macro["package_name"] == own and base in _THE_PROJECTS):
            continue
        whose = taken_from[stands_for]
        # Tests of ours are no name of dbt's; a package's answers with the package's name before it.
        of_ours = whose != "dbt's own" and not base.startswith(_TEST)
        of_dbts = base in heard or stands_for in heard
        if macro["package_name"] != own and not of_ours and not of_dbts:
            continue
        file = file_of(manifest.content, macro)
        yield Problem(
            file, line_of(settings, file, str(macro["macro_sql"]), 1),
            f"macro `{name}` takes the place of {whose} `{stands_for}`",
            f"a name that neither dbt nor the platform has, {', '.join(sorted(_THE_PROJECTS))} in the project"
            " aside: what dbt builds or tests by that name would be done otherwise",
            "rename the macro, and call it by its own name" if macro["package_name"] == own
            else "take a version of the package without it, or none",
        )  # fmt: skip


def _dispatched(name: str, adapter: str) -> str:
    """Return what dbt would dispatch to a macro of this name for."""
    for prefix in (f"{adapter}__", "default__"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _names_in_dbts_work(content: Mapping[str, Any], dbts: tuple[str, ...]) -> frozenset[str]:
    """Return the names of the macros by which dbt builds and tests."""
    macros: Mapping[str, Mapping[str, Any]] = content["macros"]
    waiting = [
        unique_id
        for unique_id, macro in macros.items()
        if macro["package_name"] in dbts and str(macro["name"]).startswith((_TEST, _MATERIALIZATION))
    ]
    found: set[str] = set()
    while waiting:
        unique_id = waiting.pop()
        if unique_id not in found and unique_id in macros:
            found.add(unique_id)
            waiting += macros[unique_id]["depends_on"]["macros"]
    return frozenset(str(macros[unique_id]["name"]) for unique_id in found)


def _materialization(settings: Settings, manifest: DbtManifest, macro: Mapping[str, Any]) -> Problem:
    file = file_of(manifest.content, macro)
    name = str(macro["name"]).removeprefix(_MATERIALIZATION)
    return Problem(
        file, line_of(settings, file, str(macro["macro_sql"]), 1),
        f"`{name.rpartition('_')[0]}` is a materialization of its own",
        "dbt's own table and incremental: nobody knows of another which rows it leaves, or in whose table",
        "take the materialization away, and set materialized to table, or to incremental with the strategy"
        " `partition`",
    )  # fmt: skip
