{#-
  What a partition is in SQL. Belongs here: predicates and literals made of the partition of this
  run. Does not: how a partition is written (partition_strategy.sql).

  A partitioned run gives the vars partition_key and partition_grain (hourly, daily, weekly, monthly
  or drop), and for a grain of time the half-open interval in UTC [partition_start, partition_end):
  dates, of an hour timestamps. They are read when SQL is compiled, never when the project is parsed,
  so one parsed manifest serves every partition.
-#}

{#-
  The column that cuts a table, by the config of its node; none where it is whole. A folder's partition_by and
  strategy are inherited by seeds, snapshots and plain tables too, and mean nothing there. The orchestrator
  says the same (transformation/manifest.py).
-#}
{% macro partition_column_of(config) -%}
    {%- set cut = config.get('materialized') == 'incremental'
        and config.get('incremental_strategy') == 'partition' -%}
    {%- do return(config.get('partition_by') if cut else none) -%}
{%- endmacro %}

{#- The key of this run, or an error that says how to give one. -#}
{% macro require_partition_key() -%}
    {%- if not var('partition_key', none) -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' is partitioned, and this run names no partition: expected the vars "
            ~ "partition_key, partition_grain, partition_start and partition_end. Run it through the "
            ~ "platform, or add --vars '{partition_key: 2022-10-03, partition_grain: daily, "
            ~ "partition_start: 2022-10-03, partition_end: 2022-10-04}'."
        ) -%}
    {%- endif -%}
    {%- do return(var('partition_key')) -%}
{%- endmacro %}

{#-
  Parsing, linting and documentation know no partition, and need none: an impossible day stands in,
  so that such SQL, run by hand, selects nothing. Only building a model without one is an error.
-#}
{% macro partition_bound(name) -%}
    {#- By their names: what asks for a variable of a computed name counts as made of all variables. -#}
    {%- set bounds = {
        'partition_start': var('partition_start', none), 'partition_end': var('partition_end', none)
    } -%}
    {%- if execute and flags.WHICH in ('run', 'build') and not bounds[name] -%}
        {%- do require_partition_key() -%}
    {%- endif -%}
    {%- do return((bounds[name] or '0001-01-01') | string) -%}
{%- endmacro %}

{#- How this run's partition is cut; a day, if nothing says so. -#}
{% macro partition_grain() -%}
    {%- do return(var('partition_grain', 'daily') | string) -%}
{%- endmacro %}

{#- A bound as a literal: hours need a TIMESTAMP, everything longer a DATE. -#}
{% macro partition_literal(bound) -%}
    {%- do return(to_type("'" ~ bound ~ "'", facts_of(partition_grain()).type)) -%}
{%- endmacro %}

{#- The day on which the partition starts, as a DATE; a drop has none. -#}
{% macro partition_date() -%}
    {%- do require_time('partition_date()') -%}
    {%- do return(to_type("'" ~ partition_bound('partition_start')[:10] ~ "'", 'date')) -%}
{%- endmacro %}

{#- The moment at which the partition starts, as a TIMESTAMP in UTC; a drop has none. -#}
{% macro partition_timestamp() -%}
    {%- do require_time('partition_timestamp()') -%}
    {%- do return(to_type("'" ~ partition_bound('partition_start') ~ "'", 'timestamp')) -%}
{%- endmacro %}

{#- The partition's key as text, for the column of a model that is cut by drop. -#}
{% macro partition_key() -%}
    {%- do return("'" ~ (require_partition_key() if execute and flags.WHICH in ('run', 'build')
        else var('partition_key', '')) ~ "'") -%}
{%- endmacro %}

{#-
  The day on which the partition of a row of a raw table starts, as a DATE: of feeds whose day stands in the
  path of a file alone. `landed_date('sales')` where the table has the alias `sales`. Unlike partition_date() it is
  the row's, whatever this run is of: in a model that reads a window, or a longer grain than its own.
-#}
{% macro landed_date(table='') -%}
    {%- do return(to_type(landed_timestamp(table), 'date')) -%}
{%- endmacro %}

{#- The same as a moment, a TIMESTAMP in UTC: of feeds that land by the hour. -#}
{% macro landed_timestamp(table='') -%}
    {%- do require_time_of_sources('landed_date() and landed_timestamp()') -%}
    {%- do return(adapter.dispatch('moment_of_key')((table ~ '.' if table else '') ~ '_partition_key')) -%}
{%- endmacro %}

{#- No two grains share the form of their keys, so a key tells its moment. -#}
{% macro default__moment_of_key(key) -%}
    {%- set forms = grains_of_time().values() | map(attribute='key') | join("', '") -%}
    {%- do return("strptime(" ~ key ~ ", ['" ~ forms ~ "'])") -%}
{%- endmacro %}

{#- A model may read a snapshot beside a feed; one that reads no feed of time has no row with a moment. -#}
{% macro require_time_of_sources(what) -%}
    {%- if execute and model.resource_type != 'unit_test' -%}
        {%- set timeless, timed = [], [] -%}
        {%- for unique_id in model.depends_on.nodes if unique_id in graph.sources -%}
            {%- set node = graph.sources[unique_id] -%}
            {%- set grain = (node.config.meta or node.meta or {}).get('partition_grain') -%}
            {%- do (timed if grain in grains_of_time() else timeless).append(node.name) -%}
        {%- endfor -%}
        {%- if timeless and not timed -%}
            {%- do exceptions.raise_compiler_error(
                "'" ~ model.name ~ "' reads '" ~ timeless | join("', '") ~ "', which has no time: expected no "
                ~ what ~ " without a source that is cut by hour, day, week or month; of a drop `_partition_key`"
                ~ " is the id."
            ) -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#-
  Rows of this partition: `where {{ in_partition('business_date') }}`. The column holds a date or a
  timestamp that lies in it; where partitions are drops, the id of the drop.
-#}
{% macro in_partition(column) -%}
    {%- if partition_grain() == 'drop' -%}
        {%- do return('(' ~ column ~ ' = ' ~ partition_key() ~ ')') -%}
    {%- endif -%}
    {%- do return(
        '(' ~ column ~ ' >= ' ~ partition_literal(partition_bound('partition_start'))
        ~ ' and ' ~ column ~ ' < ' ~ partition_literal(partition_bound('partition_end')) ~ ')'
    ) -%}
{%- endmacro %}

{#-
  Rows of the partitions of a longer grain that this one lies in, or shares time with:
  `where {{ in_partitions_of('monthly', 'month') }}` in a daily model is the month of the day.
-#}
{% macro in_partitions_of(grain, column) -%}
    {%- do require_time('in_partitions_of()') -%}
    {%- if not execute or not var('partition_start', none) -%}{%- do return('1 = 0') -%}{%- endif -%}
    {%- set taken = [] -%}
    {%- for name, facts in grains_of_time().items() if facts.type == 'date' -%}
        {%- do taken.append(name) -%}
    {%- endfor -%}
    {%- if grain not in taken -%}
        {%- do exceptions.raise_compiler_error(
            "in_partitions_of('" ~ grain ~ "', …) in '" ~ model.name
            ~ "': expected " ~ taken[:-1] | join(', ') ~ ' or ' ~ taken[-1]
            ~ '; in_partition() takes the rest.'
        ) -%}
    {%- endif -%}
    {%- set first = bound_of(grain, floor_to(grain, partition_moment('partition_start'))) -%}
    {%- set after = bound_of(grain, ceiling_to(grain, partition_moment('partition_end'))) -%}
    {%- do return(
        '(' ~ column ~ ' >= ' ~ to_type("'" ~ first ~ "'", 'date')
        ~ ' and ' ~ column ~ ' < ' ~ to_type("'" ~ after ~ "'", 'date') ~ ')'
    ) -%}
{%- endmacro %}

{#- A bound of the partition as a moment that can be reckoned with. -#}
{% macro partition_moment(name) -%}
    {%- do return(modules.datetime.datetime.fromisoformat(partition_bound(name))) -%}
{%- endmacro %}

{% macro require_time(what) -%}
    {%- if partition_grain() == 'drop' -%}
        {%- do exceptions.raise_compiler_error(
            "'" ~ model.name ~ "' is cut by drop, which has no time: expected no " ~ what
            ~ "; in_partition() and partition_key() take the drop's id."
        ) -%}
    {%- endif -%}
{%- endmacro %}

{#-
  Rows of the days up to and with this partition: `trailing_days: {stg_sales: 28}` in the model's
  own meta is the day itself and the 27 before it; of an hour, a week or a month all of it, and the 27
  days before it. The orchestrator's partition mapping reads the
  same meta, so SQL and lineage cannot drift apart.
-#}
{% macro in_trailing_days(upstream, column) -%}
    {%- if not execute -%}{%- do return('1 = 1') -%}{%- endif -%}
    {%- set days = trailing_days_of(upstream) -%}
    {%- do require_time('in_trailing_days()') -%}
    {%- set own = partition_moment('partition_start') -%}
    {%- if own.year == 1 -%}{%- do return('1 = 0') -%}{%- endif -%}
    {%- set start = own - modules.datetime.timedelta(days=days - 1) -%}
    {%- do return(
        '(' ~ column ~ ' >= ' ~ partition_literal(bound_of(partition_grain(), start))
        ~ ' and ' ~ column ~ ' < ' ~ partition_literal(partition_bound('partition_end')) ~ ')'
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
