{#-
  What a grain of time is, an entry each. Belongs here: the same as `Grain` in core/partitions.py says, for what is
  compiled without the platform, too. Does not: partitions of a run (partitions.sql).

  `key` is strftime's; `first` and `monday` say where the partition that holds a full hour starts; one lasts
  `longest` at most; `type` is that of its bounds.
-#}
{% macro grains_of_time() -%}
    {%- set day = modules.datetime.timedelta(days=1) -%}
    {%- do return({
        'hourly': {'key': '%Y-%m-%d-%H:%M', 'first': {}, 'longest': day / 24, 'type': 'timestamp'},
        'daily': {'key': '%Y-%m-%d', 'first': {'hour': 0}, 'longest': day, 'type': 'date'},
        'weekly': {'key': '%G-W%V-%u', 'first': {'hour': 0}, 'monday': true, 'longest': 7 * day, 'type': 'date'},
        'monthly': {'key': '%Y-%m', 'first': {'hour': 0, 'day': 1}, 'longest': 31 * day, 'type': 'date'},
    }) -%}
{%- endmacro %}

{% macro facts_of(grain) -%}
    {%- set grains = grains_of_time() -%}
    {%- if grain not in grains -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ grain ~ "' is no grain of time: expected " ~ grains | join(', ') ~ '.'
        ) -%}
    {%- endif -%}
    {%- do return(grains[grain]) -%}
{%- endmacro %}

{#- The start of the partition of a grain that holds a moment. -#}
{% macro floor_to(grain, moment) -%}
    {%- set facts = facts_of(grain) -%}
    {%- set start = moment.replace(minute=0, second=0, **facts.first) -%}
    {%- do return(start - modules.datetime.timedelta(days=start.weekday() if facts.monday else 0)) -%}
{%- endmacro %}

{#- The start of the first partition of a grain that begins at a moment or after it. -#}
{% macro ceiling_to(grain, moment) -%}
    {%- set start = floor_to(grain, moment) -%}
    {%- do return(start if start == moment else floor_to(grain, start + facts_of(grain).longest)) -%}
{%- endmacro %}

{#- A bound of a partition as text, in ISO 8601. -#}
{% macro bound_of(grain, moment) -%}
    {%- do return(moment.strftime(
        '%Y-%m-%dT%H:%M:%S' if facts_of(grain).type == 'timestamp' else '%Y-%m-%d'
    )) -%}
{%- endmacro %}
