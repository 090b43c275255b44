-- Counted before a store's list is cut short: the cut is about reading, not about demand.
with gaps as (
    select
        business_date,
        city,
        item_number,
        net_bottles,
        city_rank,
        {{ to_type('count(*)', 'integer') }} as stores_reporting,
        {{ to_type('sum(case when is_carried then 0 else 1 end)', 'integer') }} as stores_without
    from {{ ref('int_store_top_items') }}
    group by business_date, city, item_number, net_bottles, city_rank
)

select
    gaps.business_date,
    gaps.city,
    gaps.item_number,
    products.item_description,
    products.category_name,
    products.vendor_number,
    products.vendor_name,
    gaps.net_bottles,
    gaps.city_rank,
    gaps.stores_reporting,
    gaps.stores_without
from gaps
inner join {{ ref('stg_products') }} as products
    on gaps.item_number = products.item_number
where gaps.stores_without > 0
