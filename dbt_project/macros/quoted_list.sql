{#- Values as SQL literals: ['A', 'B'] -> 'A', 'B'. An apostrophe in a value is doubled. -#}
{% macro quoted_list(values) -%}
    {%- for value in values -%}
        '{{ value | replace("'", "''") }}'{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
