select
    _partition_key as recording,
    second,
    amplitude
from {{ source('raw', 'recordings') }}
where {{ in_partition('_partition_key') }}
