select
    business_date,
    store_number,
    store_name,
    city,
    top_items,
    top_items_missing
from {{ ref('store_gaps') }}
