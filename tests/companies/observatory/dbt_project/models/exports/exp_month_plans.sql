select
    month,
    station,
    readings_planned
from {{ ref('stg_plans') }}
where {{ in_partition('month') }}
