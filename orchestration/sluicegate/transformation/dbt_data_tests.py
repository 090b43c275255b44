"""What dbt does for each data test, done with less: some ninety in a day of the demo company.

- To execute a test dbt makes a second context and calls eight macros, which write four lines around its SQL.
  Here those lines are written at once. Where a project has such a macro of its own, or the test keeps its
  failing rows, names a limit or SQL that comes before it, dbt does it.
- Each test renders anew which rows of its table it looks at. Tests of a table that say the same of it get the
  same in one call of dbt.
Belongs here: that. All of it is private to dbt; a test compares what is executed with dbt's own.
"""

import re
from functools import wraps
from typing import Any

from sluicegate.transformation.dbt_contexts import MadeWhenAsked

_EXECUTING = (
    "materialization_test_default", "get_limit_subquery_sql", "default__get_limit_sql",
    "should_store_failures", "get_test_sql", "default__get_test_sql", "statement",
)  # fmt: skip
_LOOKING = ("get_where_subquery", "default__get_where_subquery")
# How dbt writes down which rows a generic test looks at: `{{ get_where_subquery(ref('stg_sales')) }}`.
_TABLE = re.compile(r"\{\{ get_where_subquery\((ref|source)\('[^'{}]*'(, '[^'{}]*')?\)\) \}\}")
_PROJECTS = 8
_TABLES = 200


def ease_data_tests() -> None:
    """Have dbt do it so, for the life of the process."""
    _ease_execution()
    _ease_arguments()


def _ease_execution() -> None:
    from dbt.flags import get_flags
    from dbt.task.test import TestResultData, TestRunner
    from dbt.utils.utils import _coerce_decimal  # pyright: ignore[reportPrivateUsage]

    executes = TestRunner.execute_data_test
    judged: list[tuple[Any, int, bool]] = []

    def dbts_own(manifest: Any) -> bool:
        """Whether no project has a macro of its own in the place of those that execute a test."""
        for of, count, own in judged:
            if of is manifest and count == len(manifest.macros):
                return own
        own = _are_dbts_own(
            _EXECUTING, {(macro.name, macro.package_name) for macro in manifest.macros.values()}
        )
        judged.append((manifest, len(manifest.macros), own))
        del judged[:-_PROJECTS]
        return own

    @wraps(executes)
    def execute_data_test(self: Any, data_test: Any, manifest: Any) -> Any:
        config, flags = data_test.config, get_flags()
        keeps = flags.STORE_FAILURES if config.store_failures is None else config.store_failures
        if keeps or config.limit is not None or config.get("sql_header") or not dbts_own(manifest):
            return executes(self, data_test, manifest)
        calc = config.fail_calc
        judges = f"{calc} as failures, {calc} {config.warn_if} as should_warn"
        judges += f", {calc} {config.error_if} as should_error"
        sql = f"select {judges}\nfrom (\n{data_test.compiled_code}\n) dbt_internal_test"
        data_test.build_path = data_test.get_target_write_path(self.config.target_path, "run")
        data_test.write_node(self.config.project_root, data_test.build_path, sql)
        response, table = self.adapter.execute(sql, auto_begin=True, fetch=True)
        [row] = table.rows
        result: Any = {
            name.lower(): value
            for name, value in zip(table.column_names, map(_coerce_decimal, row), strict=True)
        }
        result["adapter_response"] = response.to_dict(omit_none=True)
        TestResultData.validate(result)
        return TestResultData.from_dict(result)

    setattr(TestRunner, "execute_data_test", execute_data_test)  # noqa: B010


def _are_dbts_own(names: tuple[str, ...], macros: set[tuple[str, str]]) -> bool:
    """Whether these macros are dbt's alone, and its adapter has none of its own in their place."""
    theirs = {name.replace("default__", "duckdb__") for name in names if "default__" in name}
    packages = {package for name, package in macros if name in (*names, *theirs)}
    return packages == {"dbt"} and not theirs & {name for name, _ in macros}


def _ease_arguments() -> None:
    from dbt.clients import jinja
    from dbt_common.invocation import get_invocation_id

    adds, rendered = jinja.add_rendered_test_kwargs, dict[Any, Any]()

    def table_of(context: Any, node: Any, text: str) -> Any:
        """Render which rows of its table a test looks at, by all that may tell."""
        said = get_invocation_id(), text, node.package_name, tuple(node.depends_on.nodes)
        what = *said, repr(node.config.where), repr(node.config.meta)
        if what not in rendered:
            if len(rendered) >= _TABLES:
                rendered.clear()
            rendered[what] = jinja.get_rendered(text, context, node, native=True)
        return rendered[what]

    def add_rendered_test_kwargs(context: Any, node: Any, capture_macros: bool = False) -> None:
        text, arguments = node.test_metadata.kwargs.get("model"), node.test_metadata.kwargs
        plain = isinstance(text, str) and _TABLE.fullmatch(text) and isinstance(context, MadeWhenAsked)
        if capture_macros or not plain or not _looks_as_dbt(context):
            adds(context, node, capture_macros)
            return
        node.test_metadata.kwargs = {name: value for name, value in arguments.items() if name != "model"}
        try:
            adds(context, node)
        finally:
            node.test_metadata.kwargs = arguments
        context[jinja.GENERIC_TEST_KWARGS_NAME]["model"] = table_of(context, node, text)

    def _looks_as_dbt(context: Any) -> bool:
        found = {name: context.get(name) for name in (*_LOOKING, "duckdb__get_where_subquery")}
        return _are_dbts_own(_LOOKING, {(name, one.macro.package_name) for name, one in found.items() if one})

    setattr(jinja, "add_rendered_test_kwargs", add_rendered_test_kwargs)  # noqa: B010
