{#-
  The little in which engines differ. Belongs here: a macro with adapter.dispatch for each
  difference. Does not: business rules, or a branch on the target's type.
-#}

{#- Every cast goes through here, so that an engine with other type names changes one place. -#}
{% macro to_type(expression, type) -%}
    {{ return(adapter.dispatch('to_type')(expression, type)) }}
{%- endmacro %}

{% macro default__to_type(expression, type) -%}
    {%- do return('cast(' ~ expression ~ ' as ' ~ type ~ ')') -%}
{%- endmacro %}

{#- Text without leading, trailing and repeated spaces; nothing left over is NULL. -#}
{% macro tidy_text(expression) -%}
    {{ return(adapter.dispatch('tidy_text')(expression)) }}
{%- endmacro %}

{% macro default__tidy_text(expression) -%}
    {%- do return("nullif(trim(regexp_replace(" ~ expression ~ ", ' +', ' ')), '')") -%}
{%- endmacro %}

{#- DuckDB and Postgres replace only the first match unless told otherwise. -#}
{% macro duckdb__tidy_text(expression) -%}
    {%- do return("nullif(trim(regexp_replace(" ~ expression ~ ", ' +', ' ', 'g')), '')") -%}
{%- endmacro %}

{% macro postgres__tidy_text(expression) -%}
    {%- do return(duckdb__tidy_text(expression)) -%}
{%- endmacro %}

{#- A DATE so many days later; dbt's own dateadd makes a timestamp of it on some engines. -#}
{% macro add_days(column, days) -%}
    {%- do return(to_type(dbt.dateadd('day', days, column), 'date')) -%}
{%- endmacro %}
