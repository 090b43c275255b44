with mailable as (
    select
        store_number,
        item_description,
        row_number() over (partition by store_number order by store_rank) as place
    from {{ ref('top_items_not_carried') }}
    where is_mailable
),

named as (
    select
        store_number,
        max(case when place = 1 then item_description end) as first_item,
        max(case when place = 2 then item_description end) as second_item,
        max(case when place = 3 then item_description end) as third_item
    from mailable
    where place <= 3
    group by store_number
)

-- A store without an item to name is sent empty names, which takes the old ones away.
select
    stores.business_date,
    stores.store_number,
    directory.contact_email,
    stores.city,
    stores.top_items_missing,
    named.first_item,
    named.second_item,
    named.third_item
from {{ ref('store_gaps') }} as stores
inner join {{ ref('stg_stores') }} as directory
    on stores.store_number = directory.store_number
left join named
    on stores.store_number = named.store_number
