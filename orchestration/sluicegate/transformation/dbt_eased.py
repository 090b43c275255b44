"""What dbt does at every call for nobody, left out: two thirds of a call that builds a small model.

- dbt writes each step of its work down as an event, for a log at level debug, and makes all of it even where
  no log asks for it.
- For every behavior flag it walks the whole stack, and looks through all modules of the process, to find the
  name of a module, even where the flag states it; that name is shown in a message about flags that are off.
- It looks through every folder of the Python path for plug-ins of its own.
- It makes a template of a comment to put before each statement, and all macros for it to call: an embedded
  engine shows it to nobody.
- It makes all that a text may call for each text, and copies it for each macro (`dbt_contexts`).
- It makes most of that a second time to execute a data test (`dbt_data_tests`).
- It makes all that a template may call for the description of each of its own five hundred macros, which are
  no templates, and Jinja anew to look for calls in each; and it writes the manifest by the slower of Python's
  two ways.
- It checks project and profile against JSON schemas, which are those of the call before.
- It renders and runs the hook that makes the record of versions, though that is there.
- It makes anew, for each answer of the engine, what could read a date or a moment in it.
- It works the graph of the whole project out anew, with a summary for a file, though it is the same manifest.
- It lists all schemas, in threads of their own, before it creates one if it is not there; dbt-duckdb's list
  is empty, as it looks for a name in quotes, so that the macro that creates one runs each time. Here the
  catalogue is asked.
- It reads and validates the project files of the packages that are part of dbt itself.
- It opens the warehouse, which this process has open (`warehouse/kept_engine.py`).
- It makes a pool of threads for one model and its tests, and locks that processes could share, for which
  Python starts one more process: here nodes run one after the other, each with all cores of the engine.
- It reads all columns of a model's new rows and of its table, twice, to widen columns of text; the engine's
  have no width.
- It compiles each text with a brace anew, though the same stands in a test of each table; reads the packages
  that are part of it at each call; and seeks each name that is selected among those of all nodes, part by
  part, and copies the graph of all to leave those in it, though it was asked for the same a partition ago.
And one thing that it leaves out is done: it goes on compiling after a text that does not compile.
Belongs here: what of dbt's own work is done otherwise. All of it is private to dbt; a test notices a change.
"""

import hashlib
import json
import os
import re
import threading
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from weakref import WeakKeyDictionary

from sluicegate.core.collecting import without_collecting
from sluicegate.transformation.dbt_contexts import ease_contexts
from sluicegate.transformation.dbt_data_tests import ease_data_tests
from sluicegate.warehouse.kept_engine import AttachedFile

# Where dbt and its adapter have the projects that are part of them; nobody edits those.
_OWN = os.path.join("site-packages", "dbt", "include", "")
# The hook that a project has before a run, in one line (`dbt_macros/table_versions.sql`).
VERSIONS_HOOK = "{{ prepare_table_versions() }}"
# All that dbt takes for a sign of a template has one.
_BRACE = re.compile("[{}]")
_WILDCARD = re.compile(r"[*?\[\]]")
_TEMPLATES = 2_000
# Two of a manifest: to build, dbt has edges to tests as well.
_GRAPHS = 4


@cache
def ease_dbt() -> None:
    """Ease dbt, for the life of the process; events of level info and above are as ever.

    Call it before dbt is imported: what reads and writes its classes is made then when it is used.
    """
    from mashumaro.config import BaseConfig

    setattr(BaseConfig, "lazy_compilation", True)  # noqa: B010
    with without_collecting():
        _ease()


def _ease() -> None:
    from dbt.compilation import Compiler
    from dbt.config.project import Project
    from dbt.config.runtime import RuntimeConfig
    from dbt.plugins.manager import PluginManager
    from dbt.task.compile import CompileTask
    from dbt.task.runnable import GraphRunnableTask
    from dbt_common.behavior_flags import BehaviorFlagRendered

    _ease_events()
    ease_contexts()
    ease_data_tests()
    _ease_parsing()
    _ease_validation()
    _ease_answers()
    _ease_hooks()
    _ease_opening()
    _ease_threads()
    _ease_columns()
    _ease_templates()
    _ease_selection()
    works_out = Compiler.compile
    graphs: list[tuple[Any, bool, Any]] = []

    def compile(self: Any, manifest: Any, write: bool = True, add_test_edges: bool = False) -> Any:
        self.initialize()
        for of, edges, graph in graphs:
            if of is manifest and edges is add_test_edges:
                return graph
        graph = works_out(self, manifest, write, add_test_edges)
        graphs.append((manifest, add_test_edges, graph))
        del graphs[:-_GRAPHS]
        return graph

    def create_schemas(_: Any, adapter: Any, required: Any) -> None:
        wanted = [relation for relation in required if relation.schema]
        there = _schemas(adapter) if wanted else frozenset[tuple[str, str]]()
        for relation in wanted:
            if (str(relation.database).lower(), relation.schema.lower()) not in there:
                adapter.create_schema(relation)

    reads, own_packages = Project.from_project_root, dict[str, Any]()

    def from_project_root(project_root: str, renderer: Any, **options: Any) -> Any:
        if _OWN not in project_root:
            return reads(project_root, renderer, **options)
        if project_root not in own_packages:
            own_packages[project_root] = reads(project_root, renderer, **options)
        return own_packages[project_root]

    makes, own_configurations = RuntimeConfig.new_project, dict[tuple[str, str, str], Any]()

    def new_project(self: Any, project_root: str) -> Any:
        if _OWN not in project_root:
            return makes(self, project_root)
        what = project_root, self.target_name, repr(self.credentials)
        if what not in own_configurations:
            own_configurations[what] = makes(self, project_root)
        return own_configurations[what]

    setattr(RuntimeConfig, "new_project", new_project)  # noqa: B010
    setattr(PluginManager, "get_prefixed_modules", staticmethod(cache(PluginManager.get_prefixed_modules)))  # noqa: B010
    setattr(Compiler, "compile", compile)  # noqa: B010
    setattr(GraphRunnableTask, "create_schemas", create_schemas)  # noqa: B010
    setattr(Project, "from_project_root", staticmethod(from_project_root))  # noqa: B010
    setattr(CompileTask, "raise_on_first_error", lambda _: False)  # noqa: B010
    setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt"))  # noqa: B010 - it is private


def _ease_events() -> None:
    from dbt_common.events.base_types import BaseEvent, EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager
    from dbt_common.events.types import Formatting  # an empty line

    unheard = (EventLevel.DEBUG, EventLevel.TEST)

    class Eased(EventManager):
        def fire_event(
            self,
            e: Any,
            level: EventLevel | None = None,
            node: Any = None,
            force_warn_or_error_handling: bool = False,
        ) -> None:
            heard = (level or e.level_tag()) not in unheard and not isinstance(e, Formatting)
            if force_warn_or_error_handling or heard:
                super().fire_event(e, level, node, force_warn_or_error_handling)

    made, asked = BaseEvent.__init__, BaseEvent.__getattr__

    def make(self: Any, *words: Any, **fields: Any) -> None:
        if words or not _is_debug(type(self)):
            made(self, *words, **fields)
        else:
            self.__dict__[_NOT_MADE] = fields

    def ask(self: Any, name: str) -> Any:
        if (fields := self.__dict__.pop(_NOT_MADE, None)) is not None:
            made(self, **fields)
        return asked(self, name) if name != "pb_msg" else self.__dict__[name]

    ctx_set_event_manager(cast("Any", Eased()))
    setattr(BaseEvent, "__init__", make)  # noqa: B010
    setattr(BaseEvent, "__getattr__", ask)  # noqa: B010


# Where an event keeps its fields until somebody asks for one.
_NOT_MADE = "sluice_not_made"


@cache
def _is_debug(event: type) -> bool:
    """Whether events of a class are of level debug, whoever fires them; others may be told by an error."""
    return any(base.__name__ == "DebugLevel" for base in event.__mro__)


def _ease_templates() -> None:
    from dbt_common.clients.jinja import MacroFuzzEnvironment

    compiles, compiled = MacroFuzzEnvironment.compile, dict[tuple[type, tuple[str, ...], str], Any]()

    def compile(self: Any, source: Any, *named: Any, **more: Any) -> Any:
        if named or more or not isinstance(source, str):
            return compiles(self, source, *named, **more)
        what = type(self), tuple(self.extensions), source
        if what not in compiled:
            if len(compiled) >= _TEMPLATES:
                compiled.clear()
            compiled[what] = compiles(self, source)
        return compiled[what]

    setattr(MacroFuzzEnvironment, "compile", compile)  # noqa: B010


def _ease_selection() -> None:
    from dbt.graph import selector_methods
    from dbt.graph.graph import Graph
    from dbt.graph.selector import ResourceTypeSelector
    from dbt.graph.selector_spec import SelectionCriteria

    selects, gets, takes = (
        selector_methods.is_selected_node,
        ResourceTypeSelector.get_selected,
        Graph.get_subset_graph,
    )
    selected, taken = WeakKeyDictionary[Any, dict[Any, Any]](), WeakKeyDictionary[Any, dict[Any, Any]]()

    def said(spec: Any) -> Any:
        """Return all that a choice of names says; None of one by anything else, which may change."""
        if isinstance(spec, SelectionCriteria):
            return repr(spec) if spec.method is selector_methods.MethodName.FQN else None
        parts = tuple(map(said, spec))
        return None if None in parts else (type(spec), spec.indirect_selection, parts)

    def get_selected(self: Any, spec: Any, warn_on_no_nodes: bool = True) -> Any:
        what = said(spec)
        known, key = selected.setdefault(self.full_graph, {}), (frozenset(self.resource_types), what)
        if what is None or not known.get(key):  # of nothing there is a warning
            known[key] = gets(self, spec, warn_on_no_nodes)
        return set(known[key])

    def get_subset_graph(self: Any, nodes: Any) -> Any:
        known, key = taken.setdefault(self, {}), frozenset(nodes)
        if key not in known:
            known[key] = takes(self, nodes).graph
        return Graph(known[key].copy())  # which a run takes apart

    setattr(ResourceTypeSelector, "get_selected", get_selected)  # noqa: B010
    setattr(Graph, "get_subset_graph", get_subset_graph)  # noqa: B010

    def is_selected_node(fqn: list[str], node_selector: str, is_versioned: bool) -> bool:
        if is_versioned or _WILDCARD.search(node_selector):
            return selects(fqn, node_selector, is_versioned)
        whole = ".".join(fqn)
        return node_selector in (fqn[-1], whole) or whole.startswith(f"{node_selector}.")

    setattr(selector_methods, "is_selected_node", is_selected_node)  # noqa: B010


def _ease_parsing() -> None:
    from dbt.artifacts.schemas import base
    from dbt.clients import jinja_static
    from dbt.context.docs import generate_runtime_docs_context as makes
    from dbt.contracts.graph.nodes import Macro
    from dbt.parser import manifest as parser
    from dbt_common.clients.jinja import get_environment
    from dbt_common.clients.system import write_file
    from dbt_common.utils.encoding import JSONEncoder

    def generate_runtime_docs_context(config: Any, target: Any, *rest: Any) -> dict[str, Any]:
        described = [target, *target.arguments] if isinstance(target, Macro) else []
        if described and not any(_BRACE.search(item.description) for item in described):
            return {}
        return makes(config, target, *rest)

    def write_json(path: str, data: Any) -> bool:
        return write_file(path, json.dumps(data, cls=JSONEncoder))

    setattr(parser, "generate_runtime_docs_context", generate_runtime_docs_context)  # noqa: B010
    setattr(jinja_static, "get_environment", cache(get_environment))  # noqa: B010
    setattr(base, "write_json", write_json)  # noqa: B010


def _ease_validation() -> None:
    """Check once what is checked again at each call: configuration, which is not edited within a process.

    Where it is edited, it is other data.
    """
    from dbt_common.dataclass_schema import dbtClassMixin

    validates: Any = vars(dbtClassMixin)["validate"].__func__
    sound = set[tuple[type, str]]()

    def validate(cls: type, data: Any) -> None:
        if cls.__module__ not in _CONFIGURATION:
            validates(cls, data)
            return
        # Of a digest: a profile may have a password.
        what = cls, hashlib.sha256(repr(data).encode()).hexdigest()
        if what not in sound:
            validates(cls, data)
            sound.add(what)

    setattr(dbtClassMixin, "validate", classmethod(validate))  # noqa: B010


# The modules whose classes are configuration; a node is checked once anyway.
_CONFIGURATION = frozenset({"dbt.contracts.project", "dbt.adapters.contracts.connection"})


def _ease_answers() -> None:
    import agate
    from dbt_common.clients import agate_helper

    # What may be in a column; how one is read does not depend on which table it is of.
    builds = agate_helper.build_type_tester
    types_of = cache(lambda nulls: builds((), string_null_values=nulls)._possible_types)  # pyright: ignore[reportPrivateUsage]

    def build_type_tester(text_columns: Any, string_null_values: Any = ("null", "")) -> Any:
        types = types_of(string_null_values)
        return agate.TypeTester(force=dict.fromkeys(text_columns, types[-1]), types=types)

    setattr(agate_helper, "build_type_tester", build_type_tester)  # noqa: B010


def _ease_hooks() -> None:
    from dbt.artifacts.resources.types import RunHookType
    from dbt.artifacts.schemas.results import RunStatus
    from dbt.task.run import RunTask

    runs = RunTask.safe_run_hooks

    def safe_run_hooks(self: Any, adapter: Any, hook_type: Any, extra_context: Any) -> Any:
        if hook_type is RunHookType.Start:
            hooks = {" ".join(hook.raw_code.split()) for hook in self.get_hooks_by_type(hook_type)}
            if hooks == {VERSIONS_HOOK} and _has_versions(adapter):
                return RunStatus.Success
        return runs(self, adapter, hook_type, extra_context)

    setattr(RunTask, "safe_run_hooks", safe_run_hooks)  # noqa: B010


def _ease_opening() -> None:
    import duckdb
    from dbt.adapters.duckdb import environments

    def connect(path: str, **_: Any) -> AttachedFile:
        return AttachedFile(Path(path))  # with no configuration: `profile_rules` lets none through

    setattr(environments, "duckdb", SimpleNamespace(**vars(duckdb) | {"connect": connect}))  # noqa: B010


class _OneByOne:
    """What stands in the place of dbt's pool: whatever is to be done is done at once, in this thread."""

    max_threads = max_microbatch_models = 1
    closed = False

    def __init__(self, *_: Any) -> None: ...

    def apply_async(self, work: Any, args: Any, callback: Any) -> None:
        callback(work(*args))

    def close(self) -> None:
        self.closed = True

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None: ...

    def join(self) -> None: ...


def _ease_threads() -> None:
    from dbt.adapters.base.connections import BaseConnectionManager
    from dbt.task import runnable

    makes = BaseConnectionManager.__init__

    def make(self: Any, profile: Any, _: Any) -> None:
        makes(self, profile, cast("Any", threading))  # its `RLock` is all that is asked of it

    setattr(runnable, "DbtThreadPool", _OneByOne)  # noqa: B010
    setattr(BaseConnectionManager, "__init__", make)  # noqa: B010


def _ease_columns() -> None:
    from dbt.adapters.duckdb.impl import DuckDBAdapter

    setattr(DuckDBAdapter, "expand_target_column_types", lambda *_, **__: None)  # noqa: B010


def _has_versions(adapter: Any) -> bool:
    """Return whether the table is there that the hook would make."""
    _, found = adapter.execute(
        "select count(*) from duckdb_tables() where database_name = current_database()"
        " and schema_name = 'sluice' and table_name = 'table_versions'",
        fetch=True,
    )
    return bool(found.rows[0][0])


def _schemas(adapter: Any) -> frozenset[tuple[str, str]]:
    """Return the (database, schema) of all that there are, in small letters, as DuckDB compares them."""
    _, found = adapter.execute("select database_name, schema_name from duckdb_schemas()", fetch=True)
    return frozenset((str(row[0]).lower(), str(row[1]).lower()) for row in found.rows)
