select
    business_date,
    store_number,
    store_name,
    licensee_key,
    city,
    top_items,
    top_items_missing
from {{ ref('store_gaps') }}
