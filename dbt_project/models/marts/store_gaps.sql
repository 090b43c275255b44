with offered as (
    select
        store_number,
        {{ to_type('count(*)', 'integer') }} as top_items,
        {{ to_type('sum(case when is_carried then 0 else 1 end)', 'integer') }} as top_items_missing
    from {{ ref('int_store_top_items') }}
    group by store_number
)

-- Stores that lack nothing are in it: who has been told of a gap must be told that it is closed.
select
    reporting.business_date,
    reporting.store_number,
    stores.store_name,
    stores.licensee_key,
    reporting.city,
    coalesce(offered.top_items, 0) as top_items,
    coalesce(offered.top_items_missing, 0) as top_items_missing
from {{ ref('int_reporting_stores') }} as reporting
inner join {{ ref('stg_stores') }} as stores
    on reporting.store_number = stores.store_number
left join offered
    on reporting.store_number = offered.store_number
