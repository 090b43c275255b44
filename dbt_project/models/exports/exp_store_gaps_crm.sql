{{ config(
    materialized='incremental',
    incremental_strategy='partition',
    partition_by='business_date',
    on_schema_change='append_new_columns',
    full_refresh=false
) }}

select
    business_date,
    store_number,
    store_name,
    city,
    top_items,
    top_items_missing
from {{ ref('store_gaps') }}
