select
    month,
    station,
    readings_planned
from {{ source('raw', 'plans') }}
where {{ in_partition('month') }}
