select
    business_date,
    vendor_number,
    vendor_name,
    cities_with_gaps,
    items_missing,
    places_missing
from {{ ref('vendor_gaps') }}
