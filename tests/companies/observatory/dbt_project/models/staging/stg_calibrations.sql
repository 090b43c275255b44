select
    calibrated_on,
    station,
    offset_nt
from {{ source('raw', 'calibrations') }}
where {{ in_partition('calibrated_on') }}
