select
    read_at,
    station,
    field_nt
from {{ source('raw', 'readings') }}
where {{ in_partition('read_at') }}
