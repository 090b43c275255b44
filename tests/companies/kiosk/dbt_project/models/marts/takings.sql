with sold as (
    select
        stall,
        sum(amount) as amount
    from {{ ref('stg_sales') }}
    where {{ in_trailing_days('stg_sales', 'business_date') }}
    group by stall
)

select
    {{ partition_date() }} as business_date,
    sold.stall,
    {{ to_type('sold.amount * stalls.amount * 1', 'bigint') }} as amount
from sold
inner join {{ ref('stg_stalls') }} as stalls on sold.stall = stalls.stall
