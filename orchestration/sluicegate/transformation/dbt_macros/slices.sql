{#-
  ref() and source() as slices. Belongs here: which rows of what it reads a partitioned model, or a test, gets.
  Does not: what a partition is in SQL (partitions.sql).

  In the run of a partition, ref() and source() of what is cut give the rows of that partition alone, or of the
  window that `trailing_days: {stg_sales: 28}` declares in the reader's own meta: the partition and the 27 days
  before it. So what is declared is what is read; a `where` of the reader's own can only take less of it. What is
  cut by a longer grain (a month, in a model of days) is read whole as far as the partition lies in it.
  Without a partition in the run, and in unit tests, they are dbt's own.
-#}

{% macro ref() -%}
    {%- do return(slice_of(builtins.ref(*varargs, **kwargs))) -%}
{%- endmacro %}

{% macro source() -%}
    {%- do return(slice_of(builtins.source(*varargs, **kwargs))) -%}
{%- endmacro %}

{% macro slice_of(relation) -%}
    {%- if not execute or model.resource_type == 'unit_test' or not var('partition_key', none) -%}
        {%- do return(relation) -%}
    {%- endif -%}
    {%- for unique_id in model.depends_on.nodes -%}
        {%- set node = graph.nodes.get(unique_id) or graph.sources.get(unique_id) -%}
        {%- set name = node.alias or node.identifier -%}
        {%- if node.schema == relation.schema and name == relation.identifier -%}
            {%- set grain = grain_of(node) -%}
            {%- if grain -%}
                {%- set days = ((model.config.meta or {}).get('trailing_days') or {}).get(name, 1) -%}
                {%- if days is not integer or days < 1 -%}
                    {%- do exceptions.raise_compiler_error(
                        "meta trailing_days of '" ~ model.name ~ "' says " ~ days ~ " for '" ~ name
                        ~ "': expected a whole number of days, 1 or more."
                    ) -%}
                {%- endif -%}
                {%- do return(sliced(relation, slice_condition(slice_column(node), node, grain, days))) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(relation) -%}
{%- endmacro %}

{#- How a node is cut, or none: by its own word, or as the first of what it reads that is cut. -#}
{% macro grain_of(node) -%}
    {%- if node.resource_type == 'source' -%}
        {%- set grain = (node.config.meta or node.meta or {}).get('partition_grain') -%}
        {%- do return(none if grain == 'snapshot' else grain) -%}
    {%- endif -%}
    {%- if not partition_column_of(node.config) -%}{%- do return(none) -%}{%- endif -%}
    {%- set own = (node.config.meta or {}).get('partition_grain') -%}
    {%- if own -%}{%- do return(own) -%}{%- endif -%}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- set grain = grain_of(graph.nodes.get(unique_id) or graph.sources.get(unique_id)) -%}
        {%- if grain -%}{%- do return(grain) -%}{%- endif -%}
    {%- endfor -%}
    {#- Cut, but nothing that it reads is: the platform does not load it, dbt by itself does. -#}
    {%- do return(partition_grain()) -%}
{%- endmacro %}

{#- Rows of a raw table carry the key that they landed with, whatever their own columns say. -#}
{% macro slice_column(node) -%}
    {%- do return('_partition_key' if node.resource_type == 'source' else partition_column_of(node.config)) -%}
{%- endmacro %}

{% macro slice_condition(column, node, grain, days) -%}
    {%- if grain == 'drop' -%}
        {%- do return(column ~ ' = ' ~ partition_key()) -%}
    {%- endif -%}
    {%- do require_time("a ref() of '" ~ node.name ~ "'") -%}
    {%- set earlier = modules.datetime.timedelta(days=days - 1) -%}
    {%- set first = floor_to(grain, partition_moment('partition_start') - earlier) -%}
    {%- set after = ceiling_to(grain, partition_moment('partition_end')) -%}
    {%- do return(
        column ~ ' >= ' ~ slice_bound(node, grain, first) ~ ' and ' ~ column ~ ' < '
        ~ slice_bound(node, grain, after)
    ) -%}
{%- endmacro %}

{#- A bound as a literal: of a source its partition's key, whose order as text is that of time. -#}
{% macro slice_bound(node, grain, moment) -%}
    {%- if node.resource_type == 'source' -%}
        {%- do return("'" ~ moment.strftime(facts_of(grain).key) ~ "'") -%}
    {%- endif -%}
    {%- do return(to_type("'" ~ bound_of(grain, moment) ~ "'", facts_of(grain).type)) -%}
{%- endmacro %}

{#- A relation of which a condition's rows are read; for dbt's macros it stays the relation. -#}
{% macro sliced(relation, condition) -%}
    {{ return(adapter.dispatch('sliced')(relation, condition)) }}
{%- endmacro %}

{% macro default__sliced(relation, condition) -%}
    {%- do return('(select * from ' ~ relation ~ ' where ' ~ condition ~ ')') -%}
{%- endmacro %}

{#- dbt-duckdb renders a relation as what its `external` says. -#}
{% macro duckdb__sliced(relation, condition) -%}
    {%- do return(relation.incorporate(external='(select * from ' ~ relation ~ ' where ' ~ condition ~ ')')) -%}
{%- endmacro %}
