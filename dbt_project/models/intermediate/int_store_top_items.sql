with in_stock as (
    select distinct
        store_number,
        item_number
    from {{ ref('stg_inventory') }}
    where remaining_quantity > 0
)

select
    stores.business_date,
    stores.store_number,
    stores.city,
    top_items.item_number,
    top_items.net_bottles,
    top_items.city_rank,
    in_stock.item_number is not null as is_carried
from {{ ref('int_reporting_stores') }} as stores
inner join {{ ref('int_city_top_items') }} as top_items
    on
        stores.business_date = top_items.business_date
        and stores.city = top_items.city
inner join {{ ref('stg_products') }} as products
    on top_items.item_number = products.item_number
left join in_stock
    on
        stores.store_number = in_stock.store_number
        and top_items.item_number = in_stock.item_number
where stores.may_sell_liquor or not products.is_liquor
