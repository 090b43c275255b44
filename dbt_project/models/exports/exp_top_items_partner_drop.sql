select
    business_date,
    city,
    item_number,
    item_description,
    category_name,
    vendor_number,
    vendor_name,
    city_rank,
    net_bottles as city_net_bottles,
    stores_reporting,
    stores_without
from {{ ref('city_item_gaps') }}
