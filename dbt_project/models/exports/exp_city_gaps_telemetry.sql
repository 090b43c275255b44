select
    business_date,
    city,
    item_number,
    category_name,
    vendor_number,
    city_rank,
    net_bottles as city_net_bottles,
    stores_reporting,
    stores_without
from {{ ref('city_item_gaps') }}
