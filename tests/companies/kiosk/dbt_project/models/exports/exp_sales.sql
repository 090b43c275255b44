select
    business_date,
    stall,
    {{ to_type('amount * 1', 'bigint') }} as amount
from {{ ref('stg_sales') }}
where {{ in_partition('business_date') }}
