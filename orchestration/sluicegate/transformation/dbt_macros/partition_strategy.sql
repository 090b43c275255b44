{#-
  The incremental strategy `partition`. Belongs here: how one partition of a table is replaced.
  Does not: which rows make the partition (the model says that).

  Delete and insert run in the transaction of the model, so a reader sees the old slice or the new
  one. The slice is deleted by its bounds and not by what comes in: a partition that has become
  empty is cleared too, which dbt's own delete+insert and insert_overwrite leave undone.
-#}
{% macro get_incremental_partition_sql(arg_dict) -%}
    {{ return(adapter.dispatch('get_incremental_partition_sql')(arg_dict)) }}
{%- endmacro %}

{% macro default__get_incremental_partition_sql(arg_dict) -%}
    {%- set target = arg_dict['target_relation'] -%}
    {%- set source = arg_dict['temp_relation'] -%}
    {%- set column = config.get('partition_by') -%}
    {%- if not column -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' has incremental_strategy='partition' and no partition_by: expected "
            ~ "the name of the column that cuts it, e.g. partition_by='business_date'."
        ) -%}
    {%- endif -%}
    {%- do require_partition_key() -%}
    {%- do refuse_rows_of_other_partitions(source, column) -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
    delete from {{ target }} where {{ in_partition(column) }};
    insert into {{ target }} ({{ columns }})
    (select {{ columns }} from {{ source }})
{%- endmacro %}

{#- dbt's own leaves quotes within a name as they are, where they would end it. -#}
{% macro get_quoted_csv(column_names) -%}
    {%- set quoted = [] -%}
    {%- for name in column_names -%}
        {%- do quoted.append(adapter.quote(name | string | replace('"', '""'))) -%}
    {%- endfor -%}
    {%- do return(quoted | join(', ')) -%}
{%- endmacro %}

{#- A row outside the slice would double up in, or vanish from, a day that nobody is rebuilding. -#}
{% macro refuse_rows_of_other_partitions(relation, column) -%}
    {%- set found = run_query(
        'select count(*) from ' ~ relation ~ ' where ' ~ column ~ ' is null or not '
        ~ in_partition(column)
    ) -%}
    {%- set strays = found.columns[0].values()[0] -%}
    {%- if strays > 0 -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' made " ~ strays ~ " row(s) outside the partition "
            ~ var('partition_key') ~ ": expected only rows with " ~ in_partition(column)
            ~ ". Set " ~ column ~ " to partition_date(), of an hour to "
            ~ "partition_timestamp(), of a drop to partition_key()."
        ) -%}
    {%- endif -%}
{%- endmacro %}
