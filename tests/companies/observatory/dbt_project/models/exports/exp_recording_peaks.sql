select
    {{ partition_key() }} as recording,
    {{ to_type('max(amplitude)', 'decimal(8,3)') }} as peak,
    {{ to_type('count(*)', 'bigint') }} as seconds
from {{ ref('stg_recordings') }}
where {{ in_partition('recording') }}
