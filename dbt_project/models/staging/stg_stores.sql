{{ config(materialized='table') }}

select
    store_number,
    {{ tidy_text('store_name') }} as store_name,
    {{ tidy_text('city') }} as city,
    {{ tidy_text('address') }} as address,
    state,
    zip_code,
    latitude,
    longitude,
    report_date,
    store_status = 'A' as is_active,
    contact_email,
    licensee as licensee_key
from {{ source('raw', 'stores') }}
