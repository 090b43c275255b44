{#-
  Where relations go. Belongs here: naming of schemas. Does not: anything about one company.
  A custom schema name is used as it is, so that a table is called the same in every environment.
-#}
{% macro default__generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
