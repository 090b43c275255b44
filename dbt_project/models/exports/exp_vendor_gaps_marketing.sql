{{ config(
    materialized='incremental',
    incremental_strategy='partition',
    partition_by='business_date',
    on_schema_change='append_new_columns',
    full_refresh=false
) }}

select
    business_date,
    vendor_number,
    vendor_name,
    cities_with_gaps,
    items_missing,
    places_missing
from {{ ref('vendor_gaps') }}
