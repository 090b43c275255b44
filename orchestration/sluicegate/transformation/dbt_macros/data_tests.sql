{#-
  Data tests for every company. Belongs here: generic tests without business meaning. Does not: a rule about
  one table (that company's dbt_project/tests), and which rows a test looks at (slices.sql).
-#}

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

{#-
  These columns are not, row for row, those of the latest earlier partition: a provider who sends
  yesterday's file under today's date sends rows that pass every other rule. Reads past the partition
  on purpose. Passes where there is no earlier partition, and where this one is empty. For tables that
  are cut by time, an earlier partition being that of the latest earlier date or timestamp.
-#}
{% test differs_from_previous_partition(model, column_names) %}
{%- do require_time('differs_from_previous_partition') -%}
{%- set tested = graph.nodes.get(context['model'].attached_node) if execute else none -%}
{%- set whole_table = tested.relation_name if tested else model -%}
{%- set partition_by = partition_column_of(tested.config) if tested else column_names[0] -%}
{%- set columns = column_names | join(', ') %}
with this_partition as (
    select {{ columns }}
    from {{ model }}
),

previous_partition as (
    select {{ columns }}
    from {{ whole_table }}
    where {{ partition_by }} = (
        select max({{ partition_by }})
        from {{ whole_table }}
        where {{ partition_by }} < {{ partition_literal(partition_bound('partition_start')) }}
    )
),

counted as (
    select
        (select count(*) from this_partition) as rows_now,
        (select count(*) from previous_partition) as rows_before,
        (
            select count(*)
            from (
                select {{ columns }}
                from this_partition
                except all
                select {{ columns }}
                from previous_partition
            ) as new_rows
        ) as rows_that_differ
)

select *
from counted
where rows_now > 0 and rows_now = rows_before and rows_that_differ = 0
{% endtest %}
