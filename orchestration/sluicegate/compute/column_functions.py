"""What DuckDB's functions make of their arguments: the value itself, something else, one of several rows.

The names are those of DuckDB 1.5.5 (https://duckdb.org/docs/stable/sql/functions/overview). An aggregate that
stands nowhere here counts as one that brings a value itself out; a test notices when the engine gets one.
Belongs here: names of functions. Does not belong here: how they are called (`column_plan_expressions`).
"""

from collections.abc import Sequence

from sluicegate.core.column_origins import Kind

# Worked out of all rows, and none of the values itself. Of one row it may be: `sum` of one row is that row.
_MEASURES = """
    approx_count_distinct avg bit_and bit_or bit_xor corr count count_if count_star countif covar_pop
    covar_samp entropy favg fsum kahan_sum kurtosis kurtosis_pop mad mean product regr_avgx regr_avgy
    regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy sem skewness stddev stddev_pop
    stddev_samp sum sum_no_overflow sumkahan var_pop var_samp variance
"""
# One or all of the values come out as they are: each of them tells something of one row.
_PICKS = """
    any_value approx_quantile approx_top_k arbitrary array_agg bitstring_agg bool_and bool_or first
    group_concat histogram histogram_exact last list listagg max median min mode quantile quantile_cont
    quantile_disc reservoir_quantile string_agg
"""
# Of these the first argument comes out, and the second decides of which row.
_ORDERED = """
    arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin max_by
    min_by
"""
# Scalar functions of which an argument comes out as it is, whole or in part, alone or beside others.
_PACKING = """
    array_cat array_concat array_distinct array_intersect array_resize array_value array_zip constant_or_null
    flatten greatest least list_append list_cat list_concat list_distinct list_intersect list_pack
    list_prepend list_resize list_reverse list_value list_zip map map_concat map_entries map_from_entries
    map_keys map_values remap_struct row struct_concat struct_insert struct_pack struct_update struct_values
    union_value unpivot_list
"""
# The first argument comes out, whole or in part; the others say which part.
_TAKING = """
    array_extract array_filter array_pop_back array_pop_front array_reverse array_reverse_sort array_select
    array_slice array_sort array_where element_at error filter list_any_value list_element list_extract
    list_filter list_first list_last list_reverse_sort list_select list_slice list_sort list_where
    map_extract map_extract_value struct_extract struct_extract_at union_extract
"""
# They work out an aggregate of a list's elements, which is named in a text: any of them may come out.
_AGGREGATING = "aggregate array_aggr array_aggregate list_aggr list_aggregate"
# They call a function of the SQL on each element: what that comes to.
_CALLING = """
    apply array_apply array_reduce array_transform list_apply list_reduce list_transform reduce
"""

MEASURES = frozenset(_MEASURES.split())
PICKS = frozenset(_PICKS.split()) | frozenset(_ORDERED.split())
CALLING = frozenset(_CALLING.split())
OF_FUNCTIONS = {
    **dict.fromkeys(_PACKING.split(), (Kind.IDENTITY, Kind.IDENTITY)),
    **dict.fromkeys(_TAKING.split(), (Kind.IDENTITY, Kind.CONDITIONAL)),
    **dict.fromkeys(_AGGREGATING.split(), (Kind.PICK, Kind.CONDITIONAL)),
}
_OF_AGGREGATES = {
    **dict.fromkeys(_MEASURES.split(), (Kind.MEASURE, Kind.MEASURE)),
    **dict.fromkeys(_ORDERED.split(), (Kind.PICK, Kind.CONDITIONAL)),
}


def kinds_of_aggregate(name: str, arguments: int) -> Sequence[Kind]:
    """Return what an aggregate makes of each of its arguments."""
    return _of_each(_OF_AGGREGATES.get(name, (Kind.PICK, Kind.PICK)), arguments)


def kinds_of_function(name: str, arguments: int) -> Sequence[Kind]:
    """Return what a scalar function makes of each of its arguments."""
    return _of_each(OF_FUNCTIONS.get(name, (Kind.TRANSFORMATION, Kind.TRANSFORMATION)), arguments)


def _of_each(kinds: tuple[Kind, Kind], arguments: int) -> Sequence[Kind]:
    first, other = kinds
    return [first, *[other] * (arguments - 1)] if arguments else []
