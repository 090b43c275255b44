select
    week,
    station,
    offset_nt,
    planned_from,
    readings_planned
from {{ ref('week_offsets') }}
where {{ in_partition('week') }}
