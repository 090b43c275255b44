"""A digest of what makes a table's rows, or a test's verdict, of its parents: SQL, macros, variables, config.

Belongs here: what a compiled statement depends on, besides the data and the partition. Does not belong here:
whether files have changed (`project_files`); what a digest is compared with (`quality.gate`).

It errs on the side of "another": a macro counts as used where its name stands in the text, a variable of
which the name is computed counts as all of them. dbt's own list of macros lacks those that are called only
when a statement is run.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import yaml

from sluicegate.core.settings import SHARED_DBT_MACROS, Settings
from sluicegate.core.severity import Severity
from sluicegate.transformation.project_files import CONTENTS, environment_digest, recorded_variables
from sluicegate.transformation.slices import Cuts, relation_of

# A digest of another form is another digest: raise it when what goes into one changes.
_FORM = "1"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A name that is a whole literal; any other is computed, and so may be any name.
_NAME = r"""(?:'([^']*)'|"([^"]*)")\s*[,)]|(.)"""
_VAR = re.compile(r"\bvar\s*\(\s*(?:" + _NAME + r")", re.DOTALL)
_OTHER_VAR = re.compile(r"\bvar\s*\.")
_ENV_VAR = re.compile(r"\benv_var\s*\(\s*(?:" + _NAME + r")", re.DOTALL)
# What reads more of the project than dbt's list of parents says; `config(meta=…)` is in the config.
_OF_THE_NODE = re.compile(r"\bmeta\b(?!\s*=[^=])|\bmodel\s*\.(?!name\b)|\bmodel\s*\[|\bgraph\b|\bconfig\s*\.")
# A macro that is called by a name which is no literal may be any of the project's.
_COMPUTED_MACRO = re.compile(
    r"""\bcontext\s*\[\s*(?!['"]\w+['"]\s*\])|\bdispatch\s*\(\s*(?!['"]\w+['"]\s*[,)])"""
)
_TARGET = re.compile(r"\btarget\s*[.\[]")
# A run's own: they say which partition, and a digest is for all of them.
PARTITION_VARIABLES = frozenset({"partition_key", "partition_grain", "partition_start", "partition_end"})
# Of a test's config what decides whether it holds anything.
_JUDGING = ("where", "limit", "fail_calc", "error_if")
# Of a model's config what says nothing about its rows.
_DESCRIPTIVE = frozenset(
    {"docs", "group", "tags", "access", "persist_docs", "grants", "freshness", "enabled"}
)
# Of a model's meta what the platform reads; the rest is the user's own.
_READ_META = ("trailing_days", "partition_grain")
# Of a node in the manifest what another parse, or another place of the warehouse, says otherwise.
_OF_A_PARSE = frozenset(
    {"created_at", "database", "relation_name", "root_path", "build_path", "compiled_path"}
)
# What Jinja may ask (see `jinja_rules`) that SQL compiled for one run does not answer for another: the clock,
# the run, what is there already. A partition may be written into SQL, but nothing may be decided by it.
# Braces in an expression, and in its strings, are its own: `{{ config(meta={'a': {'b': 1}}) }}`.
_PART = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^{}'"]"""
_BRACED = rf"\{{(?:{_PART}|\{{(?:{_PART}|\{{(?:{_PART})*\}})*\}})*\}}"
_JINJA = re.compile(rf"\{{{_BRACED}\}}|\{{\{{.*?\}}\}}|\{{%.*?%\}}", re.DOTALL)
_ASKS_THE_RUN = re.compile(
    r"\b(?:dbt_metadata_envs|flags|get_relation|invocation_\w+|is_incremental|load_\w+|modules|run_started_at"
    r"|selected_resources|should_full_refresh|thread_id)\b"
)
_WRITES = re.compile(r"\{\{-?\s*(?:config\s*\(.*\)|[\w.]+\s*\([^()]*\))\s*-?\}\}", re.DOTALL)
_OUR_HOOK = re.compile(r"\{\{\s*record_table_version\(\)\s*\}\}")
_HOOKS = ("pre-hook", "post-hook", "sql_header")
# Macros of these names decide what becomes of compiled SQL, wherever they stand.
_MATERIALIZING = re.compile(
    r"^(?:materialization_|(?:default__|duckdb__)?(?:get_|create_|test$|snapshot_|load_csv))"
)
# dbt calls them itself, wherever a generic test names its model.
_CALLED_BY_TESTS = ("get_where_subquery",)


class CodeDigests:
    """The digests of one parsed project; `content` is that of `manifest.json`."""

    def __init__(self, settings: Settings, content: Mapping[str, Any]) -> None:
        self._settings = settings
        self._content = content
        self._adapter = str(content["metadata"]["adapter_type"])
        self._closures: dict[str, frozenset[str]] = {}
        self._cuts = Cuts(content)

    def of_everything(self) -> dict[str, str]:
        """Return {dbt's unique id: digest} of all models, seeds, snapshots and data tests."""
        return {
            unique_id: self._of(node)
            for unique_id, node in self._content["nodes"].items()
            if node["resource_type"] in ("model", "seed", "snapshot", "test")
        }

    def _of(self, node: Mapping[str, Any]) -> str:
        config = self._config(node)
        text = f"{self._code(node)}\n{json.dumps(config, sort_keys=True, default=str)}"
        names = sorted(self._macros_in(text))
        used = [_Text.of(text), *(self._macros[name] for name in names)]
        # Ours and dbt's macros are known: what they read of a node is in its digest.
        own = [_Text.of(self._code(node))]
        own += [self._macros[name] for name in names if name in self._users_macros]
        told = {
            "form": _FORM,
            "texts": [item.digest for item in used],
            "language": node.get("language"),
            "variables": self._variables_of(used),
            "environment": self._environment_of(used),
            "rows": self._rows(node),
            "target": self._profile if any(item.asks_for_target for item in used) else "",
            "project": self._project if any(item.asks_for_the_node for item in own) else "",
        }
        return _digest(told | self._around(node, config))

    def besides_sql(self) -> dict[str, str]:
        """Return {dbt's unique id: digest of what makes rows, or a verdict, besides the compiled SQL}.

        Those are not there of which compiled SQL tells no more than of one run, so that the code must do:
        seeds, hooks, Jinja that asks for the data, the clock or the partition.
        """
        return {
            unique_id: self._besides(node)
            for unique_id, node in self._content["nodes"].items()
            if node["resource_type"] in ("model", "snapshot", "test") and self._settled(node)
        }

    def _besides(self, node: Mapping[str, Any]) -> str:
        config = self._config(node)
        told = {"config": config, "materializing": self._materializing}
        return _digest(told | self._around(node, config))

    def _around(self, node: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
        """Return what decides besides its own texts."""
        return {
            "relation": f"{node.get('schema')}.{node.get('alias') or node['name']}",
            "parents": sorted(self._relation(name) for name in node.get("depends_on", {}).get("nodes", [])),
            "columns": self._columns(node, config),
            "session": self._session,
        }

    def _settled(self, node: Mapping[str, Any]) -> bool:
        """Whether SQL that was compiled for one partition says what is run for all of them."""
        code = self._code(node)
        hooks = json.dumps([node["config"].get(name) or "" for name in _HOOKS], default=str)
        if node.get("language") == "python" or re.search(r"\{[{%]|\w \w", _OUR_HOOK.sub("", hooks)):
            return False
        users = self._macros_in(code) & self._users_macros
        # Of a generic test the code is its arguments.
        asked = code if node.get("test_metadata") else " ".join(_JINJA.findall(code))
        texts = [asked, *(str(self._content["macros"][name]["macro_sql"]) for name in sorted(users))]
        return not any(_ASKS_THE_RUN.search(text) or _decides_by_run(text) for text in texts)

    @cached_property
    def _materializing(self) -> list[Any]:
        """What makes rows of compiled SQL: libraries, and macros of the user's in the place of theirs."""
        users = [
            [name, self._macros[name].digest]
            for name in sorted(self._users_macros)
            if _MATERIALIZING.match(str(self._content["macros"][name]["name"]))
        ]
        return [*((name, version(name)) for name in ("dbt-core", "dbt-duckdb", "duckdb")), *users]

    def _code(self, node: Mapping[str, Any]) -> str:
        test = node.get("test_metadata")
        if node["resource_type"] != "test" or not test:
            return str(node.get("raw_code") or "")
        # A generic test's own code has its whole config in it: tags, severity, how failures are kept.
        kwargs = json.dumps(test.get("kwargs") or {}, sort_keys=True, default=repr)
        return f"test_{test['name']} {test.get('namespace') or ''} {kwargs} {' '.join(_CALLED_BY_TESTS)}"

    def _config(self, node: Mapping[str, Any]) -> dict[str, Any]:
        if node["resource_type"] == "test":
            # A test that only warns passes whatever it finds.
            judging = {name: node["config"].get(name) for name in _JUDGING}
            return judging | {"severity": Severity.of_dbt(node["config"])}
        config = {name: value for name, value in node["config"].items() if name not in _DESCRIPTIVE}
        meta = cast("Mapping[str, Any]", config.pop("meta", None) or {})
        return config | {"meta": {name: meta[name] for name in _READ_META if name in meta}}

    def _columns(self, node: Mapping[str, Any], config: Mapping[str, Any]) -> list[list[str]]:
        """An enforced contract casts what is selected to its columns' types, in their order."""
        if not (config.get("contract") or {}).get("enforced") and node["resource_type"] != "seed":
            return []
        return [
            [name, str(column.get("data_type")), json.dumps(column.get("constraints") or [], default=str)]
            for name, column in (node.get("columns") or {}).items()
        ]

    def _rows(self, node: Mapping[str, Any]) -> str:
        """The digest of a seed's file: dbt's own is that of its path, where the file is large."""
        if node["resource_type"] != "seed":
            return ""
        root = Path(node.get("root_path") or self._settings.dbt_dir)
        return CONTENTS.of(str(root / node["original_file_path"]))[0]

    def _relation(self, unique_id: str) -> str:
        node = self._content["nodes"].get(unique_id) or self._content["sources"].get(unique_id)
        if node is None:
            return unique_id
        relation = relation_of(node)
        cut = self._cuts.of(unique_id)  # decides which of its rows `ref()` gives
        return f"{relation} {cut.column} {cut.grain}" if cut else relation

    @cached_property
    def _macros(self) -> "dict[str, _Text]":
        return {name: _Text.of(str(macro["macro_sql"])) for name, macro in self._content["macros"].items()}

    @cached_property
    def _users_macros(self) -> frozenset[str]:
        """The macros that are neither ours nor dbt's."""
        known = {"dbt", f"dbt_{self._adapter}"}
        return frozenset(
            name
            for name, macro in self._content["macros"].items()
            if macro["package_name"] not in known
            and str(SHARED_DBT_MACROS) not in str(macro["original_file_path"])
        )

    @cached_property
    def _project(self) -> str:
        """A digest of all nodes and sources, as SQL can read them."""
        told = [
            [name, {key: value for key, value in node.items() if key not in _OF_A_PARSE}]
            for kind in ("nodes", "sources")
            for name, node in sorted(self._content[kind].items())
        ]
        return _digest(told)

    @cached_property
    def _own_macros(self) -> list[str]:
        own = self._content["metadata"]["project_name"]
        return [name for name, macro in self._content["macros"].items() if macro["package_name"] == own]

    @cached_property
    def _profile(self) -> str:
        """The digest of the profile, which tells what `target` is."""
        return CONTENTS.of(str(self._settings.dbt_dir / "profiles.yml"))[0]

    @cached_property
    def _session(self) -> list[Any]:
        return session_of(self._settings)

    @cached_property
    def _macros_by_word(self) -> dict[str, list[str]]:
        """{a word: the macros that it may call}: of that name, or dispatched to for this adapter."""
        found: dict[str, list[str]] = {}
        for unique_id, macro in self._content["macros"].items():
            name = str(macro["name"])
            found.setdefault(name, []).append(unique_id)
            for prefix in ("default__", f"{self._adapter}__"):
                if name.startswith(prefix):
                    found.setdefault(name.removeprefix(prefix), []).append(unique_id)
        return found

    def _macros_in(self, text: str) -> set[str]:
        found: set[str] = set()
        for name in self._called(_Text.of(text)):
            found |= self._closure(name)
        return found

    def _closure(self, unique_id: str) -> frozenset[str]:
        """Return a macro and all that it may call."""
        if unique_id not in self._closures:
            found, waiting = {unique_id}, [unique_id]
            while waiting:
                for name in self._called(self._macros[waiting.pop()]):
                    if name not in found:
                        found.add(name)
                        waiting.append(name)
            self._closures[unique_id] = frozenset(found)
        return self._closures[unique_id]

    def _called(self, text: "_Text") -> Iterator[str]:
        for word in text.words:
            yield from self._macros_by_word.get(word, ())
        if text.computes_macros:
            yield from self._own_macros

    def _variables_of(self, used: "Iterable[_Text]") -> list[list[Any]]:
        """Return the names and values of dbt's variables that texts ask for."""
        known, names = self._variables, set[str]()
        for text in used:
            names |= text.variables | (known.keys() if text.computes_variables else set[str]())
        return [[name, known.get(name)] for name in sorted(names - PARTITION_VARIABLES)]

    def _environment_of(self, used: "Iterable[_Text]") -> str:
        """Return a digest of the variables of the environment that texts ask for."""
        recorded, names = recorded_variables(self._settings), set[str]()
        for text in used:
            names |= text.environment | (recorded if text.computes_environment else frozenset())
        return environment_digest(names) if names else ""

    @cached_property
    def _variables(self) -> dict[str, Any]:
        """{variable: its values in the project and in its packages}, as their files write them."""
        found: dict[str, Any] = {}
        roots = [self._settings.dbt_dir, *sorted(self._settings.dbt_dir.glob("dbt_packages/*"))]
        for root in roots:
            file = root / "dbt_project.yml"
            if not file.is_file():
                continue
            stated: Any = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            for scope, value in (stated.get("vars") or {}).items():
                found.setdefault(str(scope), []).append([root.name, "", value])
                for name, inner in value.items() if isinstance(value, dict) else ():
                    found.setdefault(str(name), []).append([root.name, str(scope), inner])
        return found


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _decides_by_run(text: str) -> bool:
    """Whether Jinja may decide by a run's own variables, or by names that are computed."""
    read = _Text.of(text)
    return (
        bool(read.variables & PARTITION_VARIABLES)
        or read.computes_variables
        or read.computes_macros
        or any("partition" in piece and not _WRITES.fullmatch(piece) for piece in _JINJA.findall(text))
    )


def session_of(settings: Settings) -> list[Any]:
    """Return the settings under which all SQL runs: a time zone decides which day it is."""
    file = settings.dbt_dir / "profiles.yml"
    stated: Any = (yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None) or {}
    outputs = [item.get("outputs") or {} for item in stated.values() if isinstance(item, dict)]
    return [[name, output.get("settings")] for item in outputs for name, output in sorted(item.items())]


@dataclass(frozen=True)
class _Text:
    """What a piece of SQL with Jinja names; `computes_…`: a name that is no literal."""

    digest: str
    words: frozenset[str]
    variables: frozenset[str]
    computes_variables: bool
    environment: frozenset[str]
    computes_environment: bool
    computes_macros: bool
    asks_for_target: bool
    asks_for_the_node: bool

    @classmethod
    def of(cls, text: str) -> "_Text":
        variables, environment = _VAR.findall(text), _ENV_VAR.findall(text)
        return cls(
            hashlib.sha256(text.encode()).hexdigest(),
            frozenset(_WORD.findall(text)),
            frozenset(single or double for single, double, computed in variables if not computed),
            any(computed for *_, computed in variables) or _OTHER_VAR.search(text) is not None,
            frozenset(single or double for single, double, computed in environment if not computed),
            any(computed for *_, computed in environment),
            _COMPUTED_MACRO.search(text) is not None,
            _TARGET.search(text) is not None,
            _OF_THE_NODE.search(text) is not None,
        )
