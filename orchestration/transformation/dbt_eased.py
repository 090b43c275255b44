"""What dbt does at every call for nobody, left out: half of a call that builds a small model.

- dbt writes each step of its work down as an event, for a log at level debug, and makes all of its text even
  where no log asks for it.
- For every behavior flag it walks the whole stack, and looks through all modules of the process, to find the
  name of a module, even where the flag states it; that name is shown in a message about flags that are off.
- It looks through every folder of the Python path for plug-ins of its own.
- It makes a template of a comment to put before each statement: an embedded engine shows it to nobody.
- It works the graph of the whole project out anew, with a summary for a file, though it is the same manifest.
- It lists all schemas, in threads of their own, before it creates one if it is not there; dbt-duckdb's list
  is empty, as it looks for a name in quotes, so that the macro that creates one runs each time. Here the
  catalogue is asked.
- It reads and validates the project files of the packages that are part of dbt itself.
And one thing that it leaves out is done: it goes on compiling after a text that does not compile.
Belongs here: what of dbt's own work is done otherwise. All of it is private to dbt; a test notices a change.
"""

import os
from functools import cache
from typing import Any, cast

# Where dbt and its adapter have the projects that are part of them; nobody edits those.
_OWN = os.path.join("site-packages", "dbt", "include", "")
# Two of a manifest: to build, dbt has edges to tests as well.
_GRAPHS = 4


@cache
def ease_dbt() -> None:
    """Ease dbt, for the life of the process; events of level info and above are as ever."""
    from dbt.adapters.base.query_headers import MacroQueryStringSetter
    from dbt.compilation import Compiler
    from dbt.config.project import Project
    from dbt.plugins.manager import PluginManager
    from dbt.task.compile import CompileTask
    from dbt.task.runnable import GraphRunnableTask
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    unheard = (EventLevel.DEBUG, EventLevel.TEST)

    class Eased(EventManager):
        def fire_event(
            self,
            e: Any,
            level: EventLevel | None = None,
            node: Any = None,
            force_warn_or_error_handling: bool = False,
        ) -> None:
            if force_warn_or_error_handling or (level or e.level_tag()) not in unheard:
                super().fire_event(e, level, node, force_warn_or_error_handling)

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

    ctx_set_event_manager(cast("Any", Eased()))
    setattr(PluginManager, "get_prefixed_modules", staticmethod(cache(PluginManager.get_prefixed_modules)))  # noqa: B010
    setattr(Compiler, "compile", compile)  # noqa: B010
    setattr(GraphRunnableTask, "create_schemas", create_schemas)  # noqa: B010
    setattr(Project, "from_project_root", staticmethod(from_project_root))  # noqa: B010
    setattr(CompileTask, "raise_on_first_error", lambda _: False)  # noqa: B010
    setattr(MacroQueryStringSetter, "_get_comment_macro", lambda _: None)  # noqa: B010
    setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt"))  # noqa: B010 - it is private


def _schemas(adapter: Any) -> frozenset[tuple[str, str]]:
    """Return the (database, schema) of all that there are, in small letters, as DuckDB compares them."""
    _, found = adapter.execute("select database_name, schema_name from duckdb_schemas()", fetch=True)
    return frozenset((str(row[0]).lower(), str(row[1]).lower()) for row in found.rows)
