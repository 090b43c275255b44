with measured as (
    select
        station,
        {{ to_type('count(*)', 'bigint') }} as readings,
        {{ to_type('sum(field_nt)', 'decimal(18,1)') }} as field_nt
    from {{ ref('stg_readings') }}
    where {{ in_partition('read_at') }}
    group by station
),

plans as (
    select
        station,
        readings_planned
    from {{ ref('stg_plans') }}
    where {{ in_partitions_of('monthly', 'month') }}
)

select
    {{ partition_date() }} as observed_on,
    measured.station,
    stations.hill,
    measured.readings,
    plans.readings_planned,
    measured.field_nt
from measured
inner join {{ source('raw', 'stations') }} as stations on measured.station = stations.station
left join plans on measured.station = plans.station
