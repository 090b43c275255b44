"""Whose name a macro may have: nobody's to whom dbt would listen in the place of its own or of ours.

dbt takes the project's macro before its own, at each of its own calls and at each dispatch, whose names have
the prefix of an engine or `default__`. Of a package it takes generic tests and materializations so; the rest
of a package answers to the package's name alone, so that one may have a `date_spine` beside dbt's.
Belongs here: names. Does not belong here: what a macro does (`jinja_rules`).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.transformation.jinja_rules import DBTS_NAMES, line_of
from orchestration.transformation.manifest import DbtManifest, file_of
from orchestration.transformation.shared_macros import is_shared

# A project says itself how its relations are called: the graph reads what comes of it.
_THE_PROJECTS = frozenset({"generate_alias_name", "generate_database_name", "generate_schema_name"})
_TEST, _MATERIALIZATION = "test_", "materialization_"


def macro_problems(settings: Settings, manifest: DbtManifest) -> Iterator[Problem]:
    """Yield the macros that take a name of dbt's or ours, and all materializations."""
    metadata = manifest.content["metadata"]
    own, adapter = str(metadata["project_name"]), str(metadata["adapter_type"])
    dbts = ("dbt", f"dbt_{adapter}")
    macros = list(manifest.content["macros"].values())
    taken_from = dict.fromkeys(DBTS_NAMES, "dbt's own")
    for macro in macros:
        if macro["package_name"] in dbts:
            taken_from[macro["name"]] = "dbt's own"
        elif is_shared(macro):
            taken_from[macro["name"]] = "the platform's"
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
        if macro["package_name"] != own and not _is_heard(base, whose, dbts, macros):
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


def _is_heard(base: str, whose: str, dbts: tuple[str, ...], macros: list[Mapping[str, Any]]) -> bool:
    """Whether dbt may listen to a package's macro of this name, where nobody names the package."""
    if base.startswith(_TEST):
        return any(macro["name"] == base and macro["package_name"] in dbts for macro in macros)
    return whose == "the platform's" or base in _THE_PROJECTS or base in DBTS_NAMES


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
