with vendors as (
    select
        vendor_number,
        max(vendor_name) as vendor_name
    from {{ ref('stg_products') }}
    group by vendor_number
),

gaps as (
    select
        vendor_number,
        {{ to_type('count(distinct city)', 'integer') }} as cities_with_gaps,
        {{ to_type('count(distinct item_number)', 'integer') }} as items_missing,
        {{ to_type('sum(stores_without)', 'integer') }} as places_missing
    from {{ ref('city_item_gaps') }}
    group by vendor_number
)

-- Vendors without a gap are in it: who has been told of one must be told that it is closed.
select
    {{ partition_date() }} as business_date,
    vendors.vendor_number,
    vendors.vendor_name,
    coalesce(gaps.cities_with_gaps, 0) as cities_with_gaps,
    coalesce(gaps.items_missing, 0) as items_missing,
    coalesce(gaps.places_missing, 0) as places_missing
from vendors
left join gaps
    on vendors.vendor_number = gaps.vendor_number
