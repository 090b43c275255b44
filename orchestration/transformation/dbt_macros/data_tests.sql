{#-
  Data tests for every company. Belongs here: what a test looks at, and generic tests without
  business meaning. Does not: a rule about one table (that company's dbt_project/tests).
-#}

{#-
  Overrides dbt's own: with a partition in the run, a generic test on a partitioned model looks at
  that partition alone. One good day must not be held for another's fault, nor a bad one let go.
-#}
{% macro get_where_subquery(relation) -%}
    {%- set conditions = [] -%}
    {%- if config.get('where') -%}
        {%- do conditions.append('(' ~ config.get('where') ~ ')') -%}
    {%- endif -%}
    {%- if execute and var('partition_key', none) and model.get('attached_node') -%}
        {%- set tested = graph.nodes.get(model.attached_node) -%}
        {%- set column = tested.config.get('partition_by') if tested else none -%}
        {%- if column -%}{%- do conditions.append(in_partition(column)) -%}{%- endif -%}
    {%- endif -%}
    {%- if conditions -%}
        {%- do return(
            '(select * from ' ~ relation ~ ' where ' ~ conditions | join(' and ') ~ ') dbt_subquery'
        ) -%}
    {%- endif -%}
    {%- do return(relation) -%}
{%- endmacro %}

{#- No two rows share these columns. NULLs count as equal, as they would in a destination's key. -#}
{% test unique_combination_of_columns(model, combination_of_columns) %}
select
    {{ combination_of_columns | join(', ') }},
    count(*) as number_of_rows
from {{ model }}
group by {{ combination_of_columns | join(', ') }}
having count(*) > 1
{% endtest %}

{#- The column lies within these bounds, both included; a missing bound is no bound. -#}
{% test within(model, column_name, at_least=none, at_most=none) %}
select {{ column_name }}
from {{ model }}
where
    1 = 0
    {% if at_least is not none %}or {{ column_name }} < {{ at_least }}{% endif %}
    {% if at_most is not none %}or {{ column_name }} > {{ at_most }}{% endif %}
{% endtest %}
