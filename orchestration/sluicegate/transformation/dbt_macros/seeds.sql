{#-
  How a seed is built. Belongs here: what a seed's table is made of. Does not: when it is due.

  Overrides dbt's own: a seed that is there is made anew, in the transaction of its load. dbt keeps the table
  and fills it again, with the columns and types that an earlier file had, unless it is told --full-refresh.
-#}
{% macro reset_csv_table(model, full_refresh, old_relation, agate_table) -%}
    {%- do adapter.drop_relation(old_relation) -%}
    {%- do return(create_csv_table(model, agate_table)) -%}
{%- endmacro %}
