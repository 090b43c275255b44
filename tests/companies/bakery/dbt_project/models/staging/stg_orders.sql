select
    order_date as business_date,
    order_number,
    shop,
    loaves
from {{ source('raw', 'orders') }}
where {{ in_partition('order_date') }}
