{#-
  What a partition is in SQL. Belongs here: predicates and literals made of the partition of this
  run. Does not: how a partition is written (partition_strategy.sql).

  A partitioned run gives three vars: partition_key, and the half-open interval in UTC
  [partition_start, partition_end). They are read when SQL is compiled, never when the project is
  parsed, so one parsed manifest serves every partition.
-#}

{#- The key of this run, or an error that says how to give one. -#}
{% macro require_partition_key() -%}
    {%- if not var('partition_key', none) -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' is partitioned, and this run names no partition: expected the vars "
            ~ "partition_key, partition_start and partition_end. Run it through the platform, or add "
            ~ "--vars '{partition_key: 2022-10-03, partition_start: 2022-10-03, "
            ~ "partition_end: 2022-10-04}'."
        ) -%}
    {%- endif -%}
    {%- do return(var('partition_key')) -%}
{%- endmacro %}

{#-
  Parsing, linting and documentation know no partition, and need none: an impossible day stands in,
  so that such SQL, run by hand, selects nothing. Only building a model without one is an error.
-#}
{% macro partition_bound(name) -%}
    {%- if execute and flags.WHICH in ('run', 'build') and not var(name, none) -%}
        {%- do require_partition_key() -%}
    {%- endif -%}
    {%- do return(var(name, '0001-01-01') | string) -%}
{%- endmacro %}

{#- The partition's first day, as a DATE. -#}
{% macro partition_date() -%}
    {%- do return(to_type("'" ~ partition_bound('partition_start')[:10] ~ "'", 'date')) -%}
{%- endmacro %}

{#- Rows of this partition: `where {{ in_partition('business_date') }}`. -#}
{% macro in_partition(column) -%}
    {%- do return(
        '(' ~ column ~ ' >= ' ~ to_type("'" ~ partition_bound('partition_start') ~ "'", 'date')
        ~ ' and ' ~ column ~ ' < ' ~ to_type("'" ~ partition_bound('partition_end') ~ "'", 'date') ~ ')'
    ) -%}
{%- endmacro %}

{#-
  Rows of the days up to and with this partition: `trailing_days: {stg_sales: 28}` in the model's
  own meta is the day itself and the 27 before it. The orchestrator's partition mapping reads the
  same meta, so SQL and lineage cannot drift apart.
-#}
{% macro in_trailing_days(upstream, column) -%}
    {%- if not execute -%}{%- do return('1 = 1') -%}{%- endif -%}
    {%- set days = trailing_days_of(upstream) -%}
    {%- set end = modules.datetime.datetime.strptime(
        partition_bound('partition_end')[:10], '%Y-%m-%d') -%}
    {%- if end.year == 1 -%}{%- do return('1 = 0') -%}{%- endif -%}
    {%- set start = end - modules.datetime.timedelta(days=days) -%}
    {%- do return(
        '(' ~ column ~ ' >= ' ~ to_type("'" ~ start.strftime('%Y-%m-%d') ~ "'", 'date')
        ~ ' and ' ~ column ~ ' < ' ~ to_type("'" ~ end.strftime('%Y-%m-%d') ~ "'", 'date') ~ ')'
    ) -%}
{%- endmacro %}

{#-
  A macro of its own, since a unit test sees neither the meta of its model nor the graph: there,
  say `overrides: {macros: {trailing_days_of: 28}}`.
-#}
{% macro trailing_days_of(upstream) -%}
    {%- set windows = (config.get('meta') or {}).get('trailing_days', {}) -%}
    {%- set days = windows.get(upstream) -%}
    {%- if days is not integer or days < 1 -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' reads trailing days of '" ~ upstream ~ "', but its meta says "
            ~ (windows or 'nothing') ~ ": expected config(meta={'trailing_days': {'" ~ upstream
            ~ "': <days, 1 or more>}})."
        ) -%}
    {%- endif -%}
    {%- do return(days) -%}
{%- endmacro %}
