select
    business_date,
    city,
    item_number,
    item_description,
    vendor_number,
    city_rank,
    stores_reporting,
    stores_without
from {{ ref('city_item_gaps') }}
where
    city_rank <= {{ var('wide_gap_rank') }}
    and 2 * stores_without >= stores_reporting
