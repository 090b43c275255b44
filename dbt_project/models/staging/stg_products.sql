{{ config(materialized='table') }}

with tidied as (
    select
        item_number,
        {{ tidy_text('item_description') }} as item_description,
        {{ tidy_text('category_name') }} as category_name,
        vendor_number,
        {{ tidy_text('vendor_name') }} as vendor_name,
        bottle_volume_ml,
        pack,
        inner_pack,
        age as age_years,
        proof,
        list_date,
        upc,
        scc,
        state_bottle_cost,
        state_case_cost,
        state_bottle_retail,
        report_date
    from {{ source('raw', 'products') }}
)

select
    item_number,
    item_description,
    category_name,
    vendor_number,
    vendor_name,
    bottle_volume_ml,
    pack,
    inner_pack,
    age_years,
    proof,
    list_date,
    upc,
    scc,
    state_bottle_cost,
    state_case_cost,
    state_bottle_retail,
    report_date,
    category_name in ({{ quoted_list(var('seasonal_categories')) }}) as is_seasonal,
    category_name not in ({{ quoted_list(var('beer_and_wine_categories')) }}) as is_liquor
from tidied
