{{ config(
    materialized='incremental',
    incremental_strategy='partition',
    partition_by='business_date',
    on_schema_change='append_new_columns',
    full_refresh=false
) }}

select
    inventory_date as business_date,
    store_number,
    item_number,
    remaining_quantity
from {{ source('raw', 'inventory') }}
