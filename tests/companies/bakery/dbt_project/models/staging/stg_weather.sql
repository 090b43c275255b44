select
    weather_date as business_date,
    town,
    {{ to_type('coalesce(rain_mm, 0)', 'decimal(6,1)') }} as rain_mm
from {{ source('raw', 'weather') }}
where {{ in_partition('weather_date') }}
