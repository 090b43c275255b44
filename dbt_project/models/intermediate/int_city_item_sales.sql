{{ config(meta={'trailing_days': {'stg_sales': 28}}) }}

-- Returns are negative lines, so the sum is net of them. What nets out to nothing was not sold.
select
    {{ partition_date() }} as business_date,
    stores.city,
    sales.item_number,
    {{ to_type('sum(sales.bottles_sold)', 'bigint') }} as net_bottles
from {{ ref('stg_sales') }} as sales
inner join {{ ref('stg_stores') }} as stores
    on sales.store_number = stores.store_number
group by stores.city, sales.item_number
having sum(sales.bottles_sold) > 0
