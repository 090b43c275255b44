{#-
  The version of the data in each table. Belongs here: the record, written in the same transaction
  as the data. Does not: any judgement on it; the gate compares it with the evidence of checks.

  One row a relation and partition: the version that the table holds now. It is new at each build,
  so evidence gathered on an earlier build never speaks for this one.
-#}

{#- on-run-start: outside the models' transactions, since two threads must not both create it. -#}
{% macro prepare_table_versions() -%}
    {%- if execute -%}
        create schema if not exists sluice;
        create table if not exists sluice.table_versions
        (relation varchar, partition_key varchar, version varchar, recorded_at timestamp)
    {%- endif -%}
{%- endmacro %}

{#- post-hook of every model and seed. -#}
{% macro record_table_version() -%}
    {%- if execute -%}
        {%- set relation = this.schema ~ '.' ~ this.identifier -%}
        {%- set column = partition_column_of(config) -%}
        {%- set key = require_partition_key() if column else '' -%}
        {#- The strategy looks at what comes in, but the first build of a table goes without it. -#}
        {%- if column and not is_incremental() -%}
            {%- do refuse_rows_of_other_partitions(this, column) -%}
        {%- endif -%}
        {%- set version = invocation_id ~ '-' ~ local_md5(relation)[:8] -%}
        {#- The clock is read here and not in SQL, where the session's time zone has a say. -#}
        {%- set now = modules.datetime.datetime.now(modules.pytz.utc).strftime('%Y-%m-%d %H:%M:%S.%f') -%}
        delete from sluice.table_versions
        where relation = '{{ relation }}' and partition_key = '{{ key }}';
        insert into sluice.table_versions (relation, partition_key, version, recorded_at)
        values ('{{ relation }}', '{{ key }}', '{{ version }}', {{ to_type("'" ~ now ~ "'", 'timestamp') }})
    {%- endif -%}
{%- endmacro %}
