"""What SQL may ask of dbt's Jinja: to read what its parents hold, and nothing that runs SQL beside it.

A statement that runs beside a select changes rows that are judged already, or reads what nobody has on
record: its own text would depend on data. So the names of dbt's Jinja are on an allow-list, and a macro may
be called unless it comes to running SQL, which dbt's own macros say themselves. Macros are known by their
names alone: nothing may compute one, or hand one on.
Belongs here: texts that are rendered when dbt builds or tests. Does not belong here: how a text is read
(`jinja_reading`), what a macro may be called (`macro_rules`).
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Any

from sluicegate.core.problems import Problem
from sluicegate.core.settings import Settings
from sluicegate.transformation.jinja_reading import JinjaTexts, Use, strings_with_jinja
from sluicegate.transformation.manifest import DbtManifest, file_of
from sluicegate.transformation.shared_macros import is_shared

# Values, of which any part may be taken.
VALUES = frozenset(
    {
        "caller", "column", "database", "dbt_metadata_envs", "dbt_version", "exceptions", "execute", "flags",
        "graph", "invocation_args_dict", "invocation_id", "kwargs", "loop", "model", "project_name",
        "run_started_at", "schema", "selected_resources", "sql", "target", "this", "thread_id", "validation",
        "varargs",
    }
)  # fmt: skip
# Functions. Not to be handed on: some lead to the adapter by their attributes.
FUNCTIONS = frozenset(
    {
        "diff_of_two_dicts", "doc", "env_var", "fromjson", "fromyaml", "local_md5", "log", "metric", "print",
        "ref", "return", "set", "set_strict", "source", "tojson", "toyaml", "zip", "zip_strict",
    }
)  # fmt: skip
# Of these, what may be used by name. "" is to call the thing itself.
PARTS: Mapping[str, frozenset[str]] = {
    "adapter": frozenset(
        {
            "dispatch", "escape_sql_string", "get_relation",
            "quote", "quote_as_configured", "quote_seed_column", "type",
        }
    ),
    "api": frozenset({"Column", "Relation"}),
    "config": frozenset({"", "get", "meta_get", "meta_require", "require"}),
    "modules": frozenset({"datetime", "itertools", "pytz", "re"}),
    "var": frozenset({"", "has_var"}),
}  # fmt: skip
# The rest of what dbt puts into its Jinja: none of it may be used.
REFUSED = frozenset(
    {
        "_sql_results", "adapter_macro", "builtins", "compiled_code", "connection_name", "context",
        "context_macro_stack", "debug",
        "defer_relation", "env", "function", "load_agate_table", "load_result", "post_hooks", "pre_hooks",
        "render", "source_node", "sql_now", "sql_results", "store_raw_result", "store_result",
        "submit_python_job", "try_or_compiler_error", "write",
    }
)  # fmt: skip
# Jinja's own among the values, which every text may give.
_OF_JINJA = frozenset({"caller", "kwargs", "loop", "varargs"})
DBTS_NAMES = (VALUES | FUNCTIONS | PARTS.keys() | REFUSED) - _OF_JINJA

# In macros of dbt's and ours what runs SQL, or may: of the adapter all that is not listed above.
_OF_THE_ADAPTER = re.compile(r"\badapter\s*\.\s*(\w+)")
_RUNS_ANYTHING = re.compile(
    r"""(?<![\w.])(submit_python_job|load_agate_table|store_result|render|write)\s*\("""
    r"""|\b(config\.set)\b|\b(context)\s*\[\s*(?!['"]\w+['"]\s*\])"""
)
_EXPECTED = (
    "a text that asks dbt for nothing but names and values: what runs SQL beside a select changes or reads"
    " rows that nobody has on record"
)
_WITHOUT_SQL = (
    "compute it in a model and ref() that; values that a text is made of go into vars or are written out"
)


def jinja_problems(settings: Settings, manifest: DbtManifest) -> list[Problem]:
    """Return what models, snapshots, data tests and macros use of dbt's Jinja that they may not."""
    texts = JinjaTexts(settings.dbt_target_dir / "jinja.json")
    problems = list(_Rules(settings, manifest, texts).problems())
    texts.keep()
    return problems


def line_of(settings: Settings, file: str, text: str, line: int) -> int:
    """Return the line of a file for one of a text in it: dbt cuts texts out of files."""
    path = settings.project_dir / file
    whole = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, found, _ = whole.partition(text)
    return before.count("\n") + line if found and text else 1


class _Rules:
    def __init__(self, settings: Settings, manifest: DbtManifest, texts: JinjaTexts) -> None:
        self._settings = settings
        self._manifest = manifest
        self._texts = texts
        self._content = manifest.content
        self._own = str(manifest.content["metadata"]["project_name"])
        self._adapter = str(manifest.content["metadata"]["adapter_type"])
        self._dbts = (f"dbt_{self._adapter}", "dbt")
        self._chains: dict[str, tuple[str, ...]] = {}

    def problems(self) -> Iterator[Problem]:
        """Yield the problems of what the project and its packages wrote."""
        for node in self._content["nodes"].values():
            if node["resource_type"] not in ("model", "snapshot", "test") or node.get("language") == "python":
                continue
            said = node.get("test_metadata")
            texts = [] if said else [str(node.get("raw_code") or "")]
            texts += strings_with_jinja(said["kwargs"] if said else {})
            for text in texts:
                yield from self._problems_of(text, node, f"`{node['name']}`")
            yield from self._problems_of_its_macro(node) if said else ()
        for macro in self._content["macros"].values():
            # What a package's macro does is refused where it is used: nobody uses all of a package.
            if macro["package_name"] == self._own and not is_shared(macro):
                yield from self._problems_of(str(macro["macro_sql"]), macro, f"macro `{macro['name']}`")

    def _problems_of_its_macro(self, test: Mapping[str, Any]) -> Iterator[Problem]:
        """Yield what is wrong with a package's generic test that a table has."""
        for unique_id in test["depends_on"]["macros"]:
            macro = self._content["macros"].get(unique_id)
            if macro is None or not self._is_a_packages(macro) or macro["package_name"] == self._own:
                continue
            if way := self._chain(macro):
                named = f"{macro['package_name']}.{str(macro['name']).removeprefix('test_')}"
                what, fix = self._runs(named, way)
                yield Problem(
                    file_of(self._content, test), 1, f"`{test['name']}` {what}", _EXPECTED, fix,
                    cause=f"jinja {what}",
                )  # fmt: skip

    def _problems_of(self, text: str, owner: Mapping[str, Any], called: str) -> Iterator[Problem]:
        told: set[str] = set()
        for use in self._texts.uses(text):
            said = self._said_of(use, str(owner["package_name"]))
            if said is None or said[0] in told:
                continue
            told.add(said[0])
            what, fix = said
            file = file_of(self._content, owner)
            yield Problem(
                file, line_of(self._settings, file, text, use.line), f"{called} {what}", _EXPECTED, fix,
                cause=f"jinja {what}",
            )  # fmt: skip

    def _said_of(self, use: Use, package: str) -> tuple[str, str] | None:
        """Return what is wrong with a use, and what to do; None where nothing is."""
        shown = f"{use.name}.{use.part}" if use.part else use.name
        if not use.name:
            return f"cannot be read: {use.part}", "correct the Jinja"
        if use.name.startswith("{%"):
            return f"uses the tag `{use.name}`", "write a macro and call it by its name"
        if use.part.endswith("()"):
            return f"changes what dbt hands to all: `{shown}`", "copy it with dict() and change the copy"
        if use.name in PARTS:
            return self._said_of_a_part(use, shown, package)
        if use.name in VALUES:
            return None
        if use.name in FUNCTIONS:
            if use.called and not use.part:
                return None
            return f"uses `{shown}` without calling it", f"call {use.name}(…) where it is needed"
        if use.name in REFUSED:
            fix = {
                "context": "write the name itself: a name that is computed may be any macro",
                "builtins": "call ref(), source() and config() themselves",
            }.get(use.name, f"take `{shown}` away: {_WITHOUT_SQL}")
            return f"uses `{shown}`", fix
        return self._said_of_a_macro(use, shown, package)

    def _said_of_a_part(self, use: Use, shown: str, package: str) -> tuple[str, str] | None:
        allowed = PARTS[use.name]
        if use.part not in allowed or (not use.part and not use.called):
            if not use.part:
                return f"hands `{use.name}` on", f"write {use.name}.… with the name of what is needed of it"
            return f"uses `{shown}`", (
                _WITHOUT_SQL if use.name == "adapter"
                else f"use no more of it than {', '.join(sorted(allowed - {''}))}"
            )  # fmt: skip
        if use.dispatched is None:
            if (use.name, use.part) == ("adapter", "dispatch"):
                return "hands on what it dispatches", "call it at once: adapter.dispatch('name')(…)"
            return None
        name, namespace = use.dispatched
        if "?" in (name, namespace):
            return "dispatches a macro whose name is computed", "write the name of the macro out"
        for macro in self._answering(name, namespace, package):
            if way := self._chain(macro):
                return self._runs(name, way)
        return None

    def _said_of_a_macro(self, use: Use, shown: str, package: str) -> tuple[str, str] | None:
        if use.name in self._packages and use.name not in self._named:
            macro = self._in_package(use.name, use.part)
            if not use.part or macro is None:
                return f"uses `{shown}`, which is no macro", "write package.macro(…)"
        else:
            macro = self._by_name(use.name, package)
            if macro is None and use.given:
                return None
            if macro is None:
                return (
                    f"uses `{use.name}`, which is neither dbt's nor a macro",
                    "correct the name, or set it first",
                )
            if use.part:
                return f"uses `{shown}`, a part of a macro", f"call {use.name}(…)"
        if not use.called:
            return f"hands the macro `{shown}` on", f"call {shown}(…) where it is needed"
        # What is wrong with a macro of the project's own is told of the macro.
        if macro["package_name"] == self._own and not is_shared(macro):
            return None
        way = self._chain(macro)
        return self._runs(shown, way) if way else None

    @staticmethod
    def _runs(shown: str, way: tuple[str, ...]) -> tuple[str, str]:
        return f"calls `{shown}`, which comes to " + " → ".join(f"`{name}`" for name in way[1:]), _WITHOUT_SQL

    # -- the graph of macros

    @cached_property
    def _packages(self) -> frozenset[str]:
        return frozenset(macro["package_name"] for macro in self._content["macros"].values())

    @cached_property
    def _named(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """{name: {package: macro}}."""
        found: dict[str, dict[str, Mapping[str, Any]]] = {}
        for macro in self._content["macros"].values():
            found.setdefault(macro["name"], {})[macro["package_name"]] = macro
        return found

    def _by_name(self, name: str, package: str) -> Mapping[str, Any] | None:
        """Return the macro that a text of a package calls by its name alone."""
        here = self._named.get(name, {})
        return next((here[one] for one in (package, self._own, *self._dbts) if one in here), None)

    def _in_package(self, package: str, name: str) -> Mapping[str, Any] | None:
        here = self._named.get(name, {})
        wanted = self._dbts if package == "dbt" else (package,)
        return next((here[one] for one in wanted if one in here), None)

    def _answering(self, name: str, namespace: str, package: str) -> Iterator[Mapping[str, Any]]:
        """Yield the macros that may answer to a dispatch: which does, is the project's to say."""
        where = {self._own, package, *self._dbts}
        if namespace in self._packages - {*self._dbts, self._own}:
            where = self._packages - {*self._dbts}
        for prefix in (f"{self._adapter}__", "default__"):
            for of, macro in self._named.get(f"{prefix}{name}", {}).items():
                if of in where:
                    yield macro

    def _chain(self, macro: Mapping[str, Any]) -> tuple[str, ...]:
        """Return by which calls a macro comes to running SQL, itself first; empty if it does not."""
        first = str(macro["unique_id"])
        if first not in self._chains:
            self._chains[first] = ()
            ways: dict[str, tuple[str, ...]] = {first: (str(macro["name"]),)}
            waiting = [macro]
            for one in waiting:  # nearest first; some call each other
                way = ways[str(one["unique_id"])]
                if found := self._runs_itself(one):
                    self._chains[first] = (*way, found)
                    break
                for called in self._called_by(one):
                    if called["unique_id"] not in ways:
                        ways[str(called["unique_id"])] = (*way, str(called["name"]))
                        waiting.append(called)
        return self._chains[first]

    def _runs_itself(self, macro: Mapping[str, Any]) -> str:
        """Return by what a macro itself runs SQL, other macros aside; "" if it does not."""
        text = str(macro["macro_sql"])
        if not self._is_a_packages(macro):
            parts = [part for part in _OF_THE_ADAPTER.findall(text) if part not in PARTS["adapter"]]
            names = (name for found in _RUNS_ANYTHING.findall(text) for name in found if name)
            return next(chain((f"adapter.{part}" for part in parts), names), "")
        for use in self._texts.uses(text):
            known = self._by_name(use.name, macro["package_name"]) or use.name in self._packages
            whole = use.called and bool(use.part) == (use.name in self._packages)
            if (known and whole) or (use.dispatched and "?" not in use.dispatched):
                continue
            if known:  # handed on, or a part of it taken
                return use.name
            if said := self._said_of(use, str(macro["package_name"])):
                return said[0].partition("`")[2].partition("`")[0] or said[0]
        return ""

    def _called_by(self, macro: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        macros = self._content["macros"]
        for unique_id in macro["depends_on"]["macros"]:
            if unique_id in macros:
                yield macros[unique_id]
        if self._is_a_packages(macro):
            package = str(macro["package_name"])
            for use in self._texts.uses(str(macro["macro_sql"])):
                if use.dispatched:
                    yield from self._answering(*use.dispatched, package)
                found = self._by_name(use.name, package) or self._in_package(use.name, use.part)
                if found is not None and found is not macro:
                    yield found

    def _is_a_packages(self, macro: Mapping[str, Any]) -> bool:
        """Whether others wrote it: neither dbt nor the platform."""
        return macro["package_name"] not in self._dbts and not is_shared(macro)
