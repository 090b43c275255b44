select
    business_date,
    shop,
    loaves,
    rain_mm
from {{ ref('shop_orders') }}
where {{ in_partition('business_date') }}
