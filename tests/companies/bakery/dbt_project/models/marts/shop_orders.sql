with ordered as (
    select
        shop,
        {{ to_type('sum(loaves)', 'bigint') }} as loaves
    from {{ ref('stg_orders') }}
    where {{ in_trailing_days('stg_orders', 'business_date') }}
    group by shop
),

weather as (
    select
        town,
        rain_mm
    from {{ ref('stg_weather') }}
    where {{ in_partition('business_date') }}
)

select
    {{ partition_date() }} as business_date,
    shops.shop,
    shops.town,
    ordered.loaves,
    weather.rain_mm
from ordered
inner join {{ source('raw', 'shops') }} as shops on ordered.shop = shops.shop
left join weather on shops.town = weather.town
