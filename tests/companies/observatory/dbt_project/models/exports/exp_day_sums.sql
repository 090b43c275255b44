select
    observed_on,
    station,
    hill,
    readings,
    readings_planned,
    field_nt
from {{ ref('day_sums') }}
where {{ in_partition('observed_on') }}
