select
    inventory_date as business_date,
    store_number,
    item_number,
    remaining_quantity
from {{ source('raw', 'inventory') }}
