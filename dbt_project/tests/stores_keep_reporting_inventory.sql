-- No store goes silent unnoticed: of the stores that reported on the latest earlier day, a share
-- (see vars) must report again. It reads past the partition on purpose: four weeks of it.
-- Passes when there is no earlier day among them.
{{ config(meta={'trailing_days': {'stg_inventory': 29}}) }}
{% set this_day = partition_date() if var('partition_key', none)
    else '(select max(business_date) from store_days)' %}

with store_days as (
    select distinct
        business_date,
        store_number
    from {{ ref('stg_inventory') }}
),

-- One row, always: without a partition it is the latest day in the table.
this_day as (
    select {{ this_day }} as business_date
),

day_before as (
    select max(store_days.business_date) as business_date
    from store_days
    inner join this_day
        on store_days.business_date < this_day.business_date
),

stores_before as (
    select store_days.store_number
    from store_days
    inner join day_before
        on store_days.business_date = day_before.business_date
),

stores_now as (
    select store_days.store_number
    from store_days
    inner join this_day
        on store_days.business_date = this_day.business_date
),

counted as (
    select
        count(*) as stores_expected,
        count(stores_now.store_number) as stores_reporting
    from stores_before
    left join stores_now
        on stores_before.store_number = stores_now.store_number
)

select
    stores_expected,
    stores_reporting
from counted
where stores_reporting < {{ var('min_share_of_stores_reporting') }} * stores_expected
