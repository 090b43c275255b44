select
    read_at,
    station,
    field_nt
from {{ ref('stg_readings') }}
where {{ in_partition('read_at') }}
