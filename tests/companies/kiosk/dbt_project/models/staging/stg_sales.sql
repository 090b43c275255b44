select
    sale_date as business_date,
    stall,
    {{ to_type('amount * 1', 'bigint') }} as amount
from {{ source('raw', 'sales') }}
where {{ in_partition('sale_date') }}
