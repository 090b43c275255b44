with plans as (
    select
        station,
        max(month) as planned_from,
        max_by(readings_planned, month) as readings_planned
    from {{ ref('stg_plans') }}
    where {{ in_partitions_of('monthly', 'month') }}
    group by station
)

select
    {{ partition_date() }} as week,
    calibrations.station,
    calibrations.offset_nt,
    plans.planned_from,
    plans.readings_planned
from {{ ref('stg_calibrations') }} as calibrations
left join plans on calibrations.station = plans.station
where {{ in_partition('calibrations.calibrated_on') }}
