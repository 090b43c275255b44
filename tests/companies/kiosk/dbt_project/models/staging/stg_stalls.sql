{{ config(materialized='table', partition_by=none) }}

select
    stall,
    {{ to_type('amount * 1', 'bigint') }} as amount
from {{ source('raw', 'stalls') }}
