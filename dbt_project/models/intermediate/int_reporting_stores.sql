with reporting as (
    select distinct
        business_date,
        store_number
    from {{ ref('stg_inventory') }}
)

-- A store that is in no licence list holds a full liquor licence.
select
    reporting.business_date,
    stores.store_number,
    stores.city,
    coalesce(licences.licence_class, 'liquor') <> 'beer_and_wine' as may_sell_liquor
from reporting
inner join {{ ref('stg_stores') }} as stores
    on reporting.store_number = stores.store_number
left join {{ ref('store_licences') }} as licences
    on stores.store_number = licences.store_number
where stores.is_active
