"""What a query may use of the language: an allow-list, as of commands.

Its table must be made of the database's own tables alone, and of tables that it names: what is asked for by a
wildcard or a computed name nobody has validated, and no order, lineage or gate knows it. Belongs here: those
rules, and what the parser finds wrong. Does not belong here: rules between files (`rules`).
"""

from collections.abc import Iterator

from sluicegate.core.problems import Problem
from sluicegate.core.stages import Stage
from sluicegate.kusto.definitions import Asked, Definition
from sluicegate.kusto.language.engine import Query, Use
from sluicegate.kusto.objects import Kind

# Of Microsoft's names; a newer parser may know more, which are looked at before they stand here.
_SYNTAX = frozenset((
    "AsOperator", "AssertSchemaOperator", "ConsumeOperator", "CountOperator", "DistinctOperator",
    "EvaluateOperator", "ExtendOperator", "FacetOperator", "FilterOperator",
    "FindOperator", "ForkOperator", "GetSchemaOperator", "GraphMarkComponentsOperator",
    "GraphMatchOperator", "GraphShortestPathsOperator", "GraphToTableOperator", "GraphWhereEdgesOperator",
    "GraphWhereNodesOperator", "InvokeOperator", "JoinOperator", "LookupOperator", "MakeGraphOperator",
    "MakeSeriesOperator", "MvApplyOperator", "MvExpandOperator", "ParseKvOperator", "ParseOperator",
    "ParseWhereOperator", "PartitionByOperator", "PartitionOperator", "PrintOperator",
    "ProjectAwayOperator", "ProjectByNamesOperator", "ProjectKeepOperator", "ProjectOperator",
    "ProjectRenameOperator", "ProjectReorderOperator", "RangeOperator", "ReduceByOperator",
    "RenderOperator", "SampleDistinctOperator", "SampleOperator", "ScanOperator", "SearchOperator",
    "SerializeOperator", "SortOperator", "SummarizeOperator", "TakeOperator", "TopHittersOperator",
    "TopNestedOperator", "TopOperator", "UnionOperator", "ExpressionStatement", "LetStatement",
    "ContextualDataTableExpression", "DataScopeExpression", "DataTableExpression", "ToTableExpression",
))  # fmt: skip
_PLUGINS = frozenset((
    "active_users_count", "activity_counts_metrics", "activity_engagement", "activity_metrics",
    "autocluster", "bag_unpack", "basket", "dcount_intersect", "diffpatterns", "estimate_rows_count",
    "funnel_sequence", "funnel_sequence_completion", "geo_line_lookup", "geo_polygon_lookup",
    "ipv4_lookup", "ipv6_lookup", "narrow", "new_activity_metrics", "pivot", "preview",
    "rolling_percentile", "rows_near", "sequence_detect", "session_count", "sliding_window_counts",
))  # fmt: skip
# Code in a sandbox; a fourth argument, or `external_artifacts=…`, names files that it fetches.
_SANDBOXED, _MOST_GIVEN = ("python", "r"), 3
_MAY_BE_NAMED = {"script_parameters", "spill_to_disk"}
_DATABASE = "database"
_NOT_IN_VIEWS = frozenset((
    "PartitionByOperator", "PartitionOperator", "SerializeOperator", "SortOperator", "TopNestedOperator",
    "TopOperator",
))  # fmt: skip
# Warnings that are errors here: `isfuzzy` lets a query run without a table, or on one that is not ours.
_AS_ERRORS = frozenset({"KS205"})
_UNKNOWN_DATABASE = "KS208"


def query_problems(of: Definition, asked: Asked, query: Query) -> Iterator[Problem]:
    """Yield what is wrong with a query, each at its place."""
    elsewhere = of.file.stage is Stage.WORK and any(use.name == _DATABASE for use in query.uses)
    for one in query.diagnostics:
        place = asked.place(one.span.start)
        is_error = one.severity == "Error" or one.code in _AS_ERRORS
        if not is_error or (elsewhere and one.code == _UNKNOWN_DATABASE):
            continue
        yield of.file.problem(
            place, "SLU-K005", f"{one.code}: {one.message.rstrip('.')}",
            "KQL over the tables that exports feed, and over what kusto/ defines",
            "correct it here, or the model whose export feeds the table",
        )  # fmt: skip
    for use in query.uses:
        if wrong := _wrong(of, use):
            yield of.file.problem(asked.place(use.span.start), "SLU-K017", *wrong)
    if of.made.kind is Kind.VIEW and not any(one.severity == "Error" for one in query.diagnostics):
        yield from _of_view(of, asked, query)


def _of_view(of: Definition, asked: Asked, query: Query) -> Iterator[Problem]:
    """Yield what Kusto refuses of a materialized view's query.

    "Query parameter" of
    https://learn.microsoft.com/kusto/management/materialized-views/materialized-view-create.
    """
    read = {one.name for one in query.reads}
    for _, source, place in of.sources:
        if source not in read:
            yield of.file.problem(
                place, "SLU-K017",
                f"the view's query does not read its source, `{source}`", f"a query of `{source}`",
                "name the same table in both",
            )  # fmt: skip
    if query.ends != "SummarizeOperator":
        yield of.file.problem(
            asked.anywhere, "SLU-K017",
            "the view's query does not end with `summarize`", "`summarize … by …` as its end",
            "write what follows into a function that reads the view",
        )  # fmt: skip
    for use in query.uses:
        if use.what == "now" or use.name in _NOT_IN_VIEWS:
            what = f"`{use.name}()`" if use.what == "now" else _spoken(use.name)
            yield of.file.problem(
                asked.place(use.span.start), "SLU-K017", f"the view's query has {what}",
                "a query that gives the same whenever a row comes",
                "write it into a function that reads the view",
            )  # fmt: skip


def query_warnings(of: Definition, asked: Asked, query: Query) -> Iterator[str]:
    """Yield what Microsoft's parser only warns of, each at its place."""
    for one in query.diagnostics:
        if one.severity == "Warning" and one.code not in _AS_ERRORS:
            line, column = of.file.place(asked.place(one.span.start))
            yield f"{of.file.name}:{line}:{column}: {one.code}: {one.message.rstrip('.')}"


def _wrong(of: Definition, use: Use) -> tuple[str, str, str] | None:
    """Return what is wrong, what is expected, and the fix."""
    if use.what == "all":
        return (
            f"{_spoken(use.name)} reads tables that it does not name",
            "each table by its name: what is not named is not validated, nor known to lineage and gate",
            "name the tables",
        )
    if use.what == "plugin" and not _may_call(use):
        listed = "".join(f", `{one}`" for one in use.named)
        within = f" with {use.given} arguments{listed}" if use.name in _SANDBOXED else ""
        return (
            f"calls the plugin `{use.name}`{within}",
            f"one that stays in the database: {_listed()}",
            "take it away; what comes from elsewhere comes by a contract, and is validated",
        )
    if use.what == "syntax" and use.name not in _SYNTAX:
        return (
            f"has {_spoken(use.name)}",
            "`let`, and operators on tables of this database",
            "take it away; what comes from elsewhere comes by a contract, and is validated",
        )
    if use.what == "call" and use.name in ("table", "materialized_view"):
        return (
            f"calls `{use.name}()` with a name that is not there, or is computed",
            "a name, as it is written",
            "name the table itself",
        )
    if use.what == "call" and use.name == _DATABASE and of.file.stage is Stage.WORK:
        if use.given:
            return None
        return (
            "calls `database()` with a name that is computed",
            "a name, as it is written",
            "name the database",
        )
    if use.what == "call":
        more = "; work alone may read another database" if use.name == _DATABASE else ""
        return (
            f"calls `{use.name}()`",
            f"what this database has{more}",
            "take it away; what comes from elsewhere comes by a contract, and is validated",
        )
    return None


def _may_call(use: Use) -> bool:
    if use.name in _SANDBOXED:
        return use.given <= _MOST_GIVEN and {*use.named} <= _MAY_BE_NAMED
    return use.name in _PLUGINS


def _listed() -> str:
    return ", ".join([*sorted(_PLUGINS), *(f"{name} without external artifacts" for name in _SANDBOXED)])


def _spoken(kind: str) -> str:
    """Return Microsoft's name of a part of the language in words: `set option statement`."""
    return "".join(f" {one.lower()}" if one.isupper() else one for one in kind).strip()
