"""Which logical operators of a plan are known, and where in each of them expressions stand.

The names are those of DuckDB 1.5.5; a test notices when it calls one otherwise. Belongs here: names. Does not
belong here: what they mean (`column_plan_operators`).
"""

from collections.abc import Mapping
from typing import Any

from sluicegate.compute.column_plan_expressions import holds_expressions
from sluicegate.compute.column_plan_rows import UnknownOperatorError

# By operator, where in it expressions stand; where else one stands, it is not understood.
_WITHOUT = """
    CROSS_PRODUCT CTE_REF DELIM_GET DUMMY_SCAN EXCEPT GET INTERSECT MATERIALIZED_CTE POSITIONAL_JOIN SAMPLE
    UNION
"""
OPERATORS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_WITHOUT.split(), frozenset[str]()),
    **dict.fromkeys(
        ("EXPRESSION_GET", "PROJECTION", "FILTER", "WINDOW", "UNNEST"), frozenset({"expressions"})
    ),
    **dict.fromkeys(("COMPARISON_JOIN", "ASOF_JOIN"), frozenset({"conditions"})),
    "AGGREGATE_AND_GROUP_BY": frozenset({"expressions", "groups"}),
    "ORDER_BY": frozenset({"orders"}),
    "LIMIT": frozenset({"limit_val", "offset_val"}),
    "DISTINCT": frozenset({"distinct_targets", "order_by"}),
    "PIVOT": frozenset({"bound_pivot"}),
    "ANY_JOIN": frozenset({"condition"}),
    "DELIM_JOIN": frozenset({"conditions", "duplicate_eliminated_columns"}),
    "RECURSIVE_CTE": frozenset({"key_targets"}),
}
_NO_EXPRESSIONS = frozenset({"children", "type", "names", "returned_types", "column_indexes", "chunk_types"})
# What an optimised plan has, and ours has not.
_OPTIMISED = ("left_projection_map", "right_projection_map", "table_filters")


def known_operator(operator: Mapping[str, Any]) -> str:
    """Return the name of an operator, in small letters.

    Raises:
        UnknownOperatorError: it is not known, or holds an expression where none is known to be.
    """
    name = str(operator.get("type", "")).removeprefix("LOGICAL_")
    holding = OPERATORS.get(name)
    if holding is None:
        raise UnknownOperatorError(f"the operator {name}")
    for key, value in operator.items():
        hidden = key not in holding and key not in _NO_EXPRESSIONS and holds_expressions(value)
        if hidden or key in _OPTIMISED:
            raise UnknownOperatorError(f"`{key}` of the operator {name}")
    return name.lower()
