select
    business_date,
    town,
    rain_mm
from {{ ref('stg_weather') }}
where {{ in_partition('business_date') }}
