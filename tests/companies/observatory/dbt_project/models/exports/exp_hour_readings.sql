select
    read_at,
    station,
    {{ to_type('field_nt', 'decimal(8,1)') }} as field_nt
from {{ ref('stg_readings') }}
where {{ in_partition('read_at') }}
