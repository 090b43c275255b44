with missing as (
    select
        business_date,
        store_number,
        city,
        item_number,
        net_bottles,
        city_rank,
        {{ to_type(
            'row_number() over (partition by store_number order by city_rank)', 'integer'
        ) }} as store_rank
    from {{ ref('int_store_top_items') }}
    where not is_carried
)

select
    missing.business_date,
    missing.store_number,
    stores.store_name,
    missing.city,
    missing.item_number,
    products.item_description,
    products.category_name,
    products.bottle_volume_ml,
    products.state_bottle_retail,
    missing.net_bottles,
    missing.city_rank,
    missing.store_rank,
    products.bottle_volume_ml > {{ var('largest_unmailable_volume_ml') }} as is_mailable
from missing
inner join {{ ref('stg_stores') }} as stores
    on missing.store_number = stores.store_number
inner join {{ ref('stg_products') }} as products
    on missing.item_number = products.item_number
where missing.store_rank <= {{ var('max_items_per_store') }}
