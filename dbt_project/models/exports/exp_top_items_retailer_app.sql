select
    business_date,
    store_number,
    store_rank,
    item_number,
    item_description,
    category_name,
    bottle_volume_ml,
    state_bottle_retail,
    city,
    city_rank,
    net_bottles as city_net_bottles
from {{ ref('top_items_not_carried') }}
