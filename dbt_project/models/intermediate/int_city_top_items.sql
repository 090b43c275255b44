with in_season as (
    select
        city_sales.business_date,
        city_sales.city,
        city_sales.item_number,
        city_sales.net_bottles
    from {{ ref('int_city_item_sales') }} as city_sales
    inner join {{ ref('stg_products') }} as products
        on city_sales.item_number = products.item_number
    where
        (
            not products.is_seasonal
            or (
                products.list_date <= city_sales.business_date
                and {{ add_days('products.list_date', var('season_days')) }}
                > city_sales.business_date
            )
        )
),

-- Ranked after the season is over for some: an item that nobody may order takes no place.
ranked as (
    select
        business_date,
        city,
        item_number,
        net_bottles,
        {{ to_type(
            'row_number() over (partition by city order by net_bottles desc, item_number)', 'integer'
        ) }} as city_rank
    from in_season
)

select
    business_date,
    city,
    item_number,
    net_bottles,
    city_rank
from ranked
where city_rank <= {{ var('top_items_per_city') }}
