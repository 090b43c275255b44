select
    sale_date as business_date,
    invoice_item_number,
    store_number,
    item_number,
    bottles_sold,
    sale_dollars,
    invoice_item_number like 'RINV-%' as is_return
from {{ source('raw', 'sales') }}
