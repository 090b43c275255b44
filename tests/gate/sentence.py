"""The cases in which every check of an export's tables had passed once, and what would be sent was bad.

Belongs here: what has happened to a partition, what holds it, what opens it again, and what must arrive then.
Here the data were corrected, or released, on the way; `sentence_rules` has those in which rules, SQL or
warehouse changed. Does not: asking for a delivery, which `test_whole_sentence` does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from orchestration.graph.instance import open_instance
from orchestration.graph.releasing import Request, release
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company
from tests.gate.conditions import monday
from tests.gate.edits import replace, write
from tests.gate.office import Office, Place, Rows, not_in_set, places, rule, unsent_tuesday, unsent_wednesday

Happening = Callable[[Office], None]
SHOP, REPORT = SHOP_ORDERS, WEATHER_REPORT
SHOPS = places(SHOP, TUE, WED)
REPORTS = places(REPORT, TUE, WED)
# What Tuesday and Wednesday are as they were built at first: the loaves of three days, the rain of one.
TUE_LOAVES: Rows = [("a", 4), ("b", 14)]
WED_LOAVES: Rows = [("a", 6), ("b", 16)]
BUILT: dict[Place, Rows] = {
    (SHOP, TUE): TUE_LOAVES,
    (SHOP, WED): WED_LOAVES,
    (REPORT, TUE): [("Ulm", "30.0")],
    (REPORT, WED): [("Ulm", "1.5")],
}
# As they must be once Tuesday's order of b is two loaves and not ten.
CORRECTED: dict[Place, Rows] = {(SHOP, TUE): [("a", 4), ("b", 6)], (SHOP, WED): [("a", 6), ("b", 8)]}
# As Tuesday must be once its rain is 2 mm.
DRY: dict[Place, Rows] = {(SHOP, TUE): TUE_LOAVES, (REPORT, TUE): [("Ulm", "2.0")]}


@dataclass(frozen=True)
class Case:
    """What has happened, and what must hold.

    `closed` may not be sent by anybody, and keeps what the destination `holds` of it; of the first of them
    `sluice why` names the table whose `link` is broken, says `said`, and advises a command. `goes` is what
    nothing is wrong with. `repair` opens what was closed; `opened` must have arrived then. Where `by_itself`,
    the sensor and `sluice run` are the repair, and are not asked before it. `daemons` and `commands` tell
    whether backfills and re-executions ask as well, and commands in processes of their own.
    """

    name: str
    happens: Happening
    closed: tuple[Place, ...] = ()
    link: str = ""
    said: str = ""
    advice: str = "sluice table rerun"
    repair: tuple[Happening, ...] = ()
    opened: Mapping[Place, Rows] = field(default_factory=dict[Place, Rows])
    goes: Mapping[Place, Rows] = field(default_factory=dict[Place, Rows])
    holds: Mapping[Place, Rows] = field(default_factory=dict[Place, Rows])
    outdated: tuple[Place, ...] = ()
    by_itself: bool = False
    daemons: bool = True
    commands: bool = False
    base: tuple[Callable[[Company], None], ...] = (monday, unsent_tuesday, unsent_wednesday)


def rebuild(relation: str, first: str, last: str = "") -> Happening:
    """Repair by `sluice table rerun`."""
    return lambda office: office.rerun(relation, first, last)


def judge(relation: str, first: str = "", last: str = "", *options: str) -> Happening:
    """Repair by `sluice table judge`, which sends nothing: `sluice run --retry` does."""

    def repair(office: Office) -> None:
        office.judge(relation, first, last, *options)
        office.retry()

    return repair


def run(office: Office) -> None:
    """Repair by `sluice run`."""
    office.sluice("run")


def only(rows: Mapping[Place, Rows], *wanted: Place) -> dict[Place, Rows]:
    """Return the rows of these places alone."""
    return {place: rows[place] for place in wanted}


# -- a rule is tightened, and the source corrected

MOST = "max_value: 9"  # Tuesday's ten loaves are too many


def tighten_giant_orders(office: Office) -> None:
    """Tighten the arguments of a generic dbt test of stg_orders, and ask it of each day: Tuesday fails."""
    office.edit(replace("dbt_project/models/staging/_staging.yml", "at_most: 500", "at_most: 9"))
    days = sorted(office.built("staging.stg_orders"))
    office.judge("staging.stg_orders", days[0], days[-1])


def tighten_orders(office: Office) -> None:
    """Tighten the suites of raw and staged orders: Tuesday fails, Monday and Wednesday hold."""
    office.edit(rule("orders", "loaves", MOST), rule("stg_orders", "loaves", MOST))
    office.judge("raw.orders", MON, WED)
    office.judge("staging.stg_orders", MON, WED)


def _orders_rebuilt_in_two_layers(office: Office) -> None:
    tighten_orders(office)
    office.company.land_orders(TUE, a=1, b=2)
    office.on_call(TUE, "raw/orders", "staging/stg_orders")


def _weather_rebuilt_in_two_layers(office: Office) -> None:
    office.edit(rule("weather", "rain_mm", "max_value: 20"))
    office.judge("raw.weather", TUE, WED)
    office.company.land_weather(TUE, rain=2)
    office.on_call(TUE, "raw/weather", "staging/stg_weather")


def _all_rebuilt_but_what_is_sent(office: Office) -> None:
    office.edit(replace("dbt_project/dbt_project.yml", "most_rain: 400", "most_rain: 20"))
    office.judge("staging.stg_weather", TUE, WED)
    office.company.land_weather(TUE, rain=2)
    office.on_call(TUE, "raw/weather", "staging/stg_weather", "marts/shop_orders")


def _rebuilt_before_the_sensor_looked(office: Office) -> None:
    tighten_giant_orders(office)
    office.retry()  # what is open goes now, as the sensor and `sluice run` are not asked later
    office.company.land_orders(TUE, a=1, b=2)
    office.by_hand(TUE, "raw/orders", "staging/stg_orders")


def _no_shop_b(office: Office) -> None:
    """Judge the snapshot bad that all days were built from; a corrected one lands, and is built."""
    office.edit(not_in_set("shops", "shop", "b"))
    office.judge("raw.shops")
    office.company.land_shops("a")
    office.sluice("run")


REBUILT_IN_PART = [
    Case(
        "raw and staging are rebuilt by hand, the mart is not", _orders_rebuilt_in_two_layers,
        closed=SHOPS, link="marts.shop_orders", goes=only(BUILT, *REPORTS),
        repair=(rebuild("marts.shop_orders", TUE, WED),), opened=CORRECTED, commands=True,
    ),
    Case(
        "a raw table's suite, two exports, and no window", _weather_rebuilt_in_two_layers,
        closed=((REPORT, TUE), (SHOP, TUE)), link="exports.exp_weather_report",
        goes=only(BUILT, (SHOP, WED), (REPORT, WED)),
        repair=(rebuild("exports.exp_weather_report", TUE), rebuild("marts.shop_orders", TUE)), opened=DRY,
    ),
    Case(
        "a singular dbt test's variable; all but the exports' models are rebuilt",
        _all_rebuilt_but_what_is_sent,
        closed=((SHOP, TUE), (REPORT, TUE)), link="exports.exp_shop_orders",
        goes=only(BUILT, (SHOP, WED), (REPORT, WED)),
        repair=(rebuild("exports.exp_shop_orders", TUE), rebuild("exports.exp_weather_report", TUE)),
        opened=DRY,
    ),
    Case(
        "a generic dbt test's arguments; the day's own run repairs it", _rebuilt_before_the_sensor_looked,
        closed=SHOPS, link="marts.shop_orders", goes=only(BUILT, *REPORTS), by_itself=True,
        repair=(run, rebuild("marts.shop_orders", WED)),
        opened=CORRECTED,
    ),
    Case(
        "a snapshot", _no_shop_b,
        closed=SHOPS, link="raw.shops", goes=only(BUILT, *REPORTS),
        repair=(rebuild("marts.shop_orders", TUE, WED),),
        opened={(SHOP, TUE): [("a", 4)], (SHOP, WED): [("a", 6)]},
    ),
]  # fmt: skip


# -- an earlier day of a window was bad


def _bad_tuesday_corrected(office: Office) -> None:
    office.edit(rule("stg_orders", "loaves", MOST))
    office.judge("staging.stg_orders", MON, WED)
    office.company.land_orders(TUE, a=1, b=2)
    office.sluice("run")


def _bad_monday_corrected(office: Office) -> None:
    office.edit(not_in_set("stg_orders", "loaves", "4"))
    office.judge("staging.stg_orders", MON, WED)
    office.company.land_orders(MON, a=3, b=5)
    office.sluice("run")


def _monday_corrected(office: Office) -> None:
    office.company.land_orders(MON, a=3, b=5)
    office.sluice("run")


def _replaced_before_it_was_judged(office: Office) -> None:
    office.edit(rule("stg_orders", "loaves", MOST))
    office.judge("staging.stg_orders", MON)
    office.judge("staging.stg_orders", WED)
    office.company.land_orders(TUE, a=1, b=2)
    office.sluice("run")


WINDOWS = [
    Case(
        "yesterday was bad, and is corrected", _bad_tuesday_corrected,
        closed=places(SHOP, WED), link="staging.stg_orders",
        goes=only(CORRECTED, (SHOP, TUE)) | only(BUILT, *REPORTS),
        repair=(rebuild("marts.shop_orders", WED),), opened=CORRECTED,
    ),
    Case(
        "the day before yesterday, which had been sent", _bad_monday_corrected,
        closed=SHOPS, link="staging.stg_orders",
        goes={(SHOP, MON): [("a", 3), ("b", 5)]} | only(BUILT, *REPORTS),
        repair=(rebuild("marts.shop_orders", TUE, WED),),
        opened={(SHOP, TUE): [("a", 4), ("b", 15)], (SHOP, WED): [("a", 6), ("b", 17)]},
    ),
    Case(
        "corrected, and never judged bad: it counts with what was said of it then", _monday_corrected,
        goes={(SHOP, MON): [("a", 3), ("b", 5)]} | BUILT,
    ),
    Case(
        "replaced before the tighter rule was asked", _replaced_before_it_was_judged,
        goes=BUILT | only(CORRECTED, (SHOP, TUE)),
    ),
]  # fmt: skip


# -- a release

# The miller's report is made of the mart as well: two exports hang on one table.
_REPORT_OF_THE_MART = """
select
    business_date,
    town,
    {{ to_type('max(rain_mm)', 'decimal(6,1)') }} as rain_mm
from {{ ref('shop_orders') }}
where {{ in_partition('business_date') }}
group by business_date, town
"""
_OWN_REPORT = write("dbt_project/models/exports/exp_weather_report.sql", _REPORT_OF_THE_MART)


def let_pass(office: Office, export: str, partition: str, failed: str) -> None:
    """Release an export's partition whose table has `failed` for Tuesday, and send it."""
    office.judge(failed, TUE)  # where a dbt test has failed, the suite has not been asked
    request = Request(
        export, partition, "the shop has called", "ada", until=datetime.now(UTC) + timedelta(days=1)
    )
    with open_instance(office.company.settings) as instance:
        release(office.company.desk(instance), request)
    office.sluice("run")


def _mart_built_under_a_release(office: Office) -> None:
    office.edit(_OWN_REPORT)
    office.company.land_day(TUE, a=1, b=600)
    office.sluice("run")
    let_pass(office, SHOP, TUE, "staging.stg_orders")
    office.company.land_orders(TUE, a=1, b=2)
    office.on_call(TUE, "raw/orders", "staging/stg_orders")
    office.company.materialize(TUE, "exports/exp_weather_report")  # what is refused here is not sent later


def _staging_built_under_a_release(office: Office) -> None:
    office.company.land_orders(TUE, a=1, b=2)
    office.company.land("weather", TUE, f"date,town,rain_mm\n{TUE},?,1.5\n")
    office.sluice("run")
    let_pass(office, REPORT, TUE, "raw.weather")
    office.company.land_weather(TUE, rain=2)
    office.on_call(TUE, "raw/weather")
    office.company.materialize(TUE, "marts/shop_orders", "exports/exp_shop_orders")


def _a_later_day_under_a_release(office: Office) -> None:
    office.edit(_OWN_REPORT)
    office.company.land_day(TUE, a=1, b=600)
    office.company.land_day(WED, a=2, b=2)
    office.sluice("run")
    let_pass(office, SHOP, WED, "staging.stg_orders")
    office.company.land_orders(TUE, a=1, b=2)
    office.sluice("run")


def _only_the_released_one_is_old(office: Office) -> None:
    office.edit(replace("dbt_project/dbt_project.yml", "most_rain: 400", "most_rain: 20"))
    office.company.land_orders(TUE, a=1, b=2)
    office.company.land_weather(TUE, rain=30)
    office.sluice("run")
    let_pass(office, REPORT, TUE, "staging.stg_weather")
    office.company.land_weather(TUE, rain=2)
    office.on_call(TUE, "raw/weather", "staging/stg_weather", "marts/shop_orders", "exports/exp_shop_orders")


RELEASED = [
    Case(
        "the mart was built under another export's release", _mart_built_under_a_release, base=(monday,),
        closed=((REPORT, TUE), (SHOP, TUE)), link="marts.shop_orders",
        holds={(SHOP, TUE): [("a", 4), ("b", 604)]},
        repair=(rebuild("marts.shop_orders", TUE),),
        opened={(SHOP, TUE): [("a", 4), ("b", 6)], (REPORT, TUE): [("Ulm", "1.5")]},
        # A second try of the run that failed builds the mart along with what it stands on.
        by_itself=True,
    ),
    Case(
        "the staging table was, for the other destination", _staging_built_under_a_release, base=(monday,),
        closed=((SHOP, TUE), (REPORT, TUE)), link="staging.stg_weather",
        holds={(REPORT, TUE): [("?", "1.5")]},
        repair=(rebuild("staging.stg_weather", TUE),),
        opened={(SHOP, TUE): [("a", 4), ("b", 6)], (REPORT, TUE): [("Ulm", "2.0")]},
    ),
    Case(
        "a later day was, whose window read the failed one", _a_later_day_under_a_release, base=(monday,),
        # The other one stays open by its own release: it is for that very version.
        closed=((REPORT, WED),), link="staging.stg_orders",
        goes={
            (SHOP, WED): [("a", 6), ("b", 606)], (SHOP, TUE): [("a", 4), ("b", 6)],
            (REPORT, TUE): [("Ulm", "1.5")],
        },
        repair=(rebuild("marts.shop_orders", WED),),
        opened={(SHOP, WED): [("a", 6), ("b", 8)], (REPORT, WED): [("Ulm", "1.5")]},
    ),
    Case(
        "by a dbt test; what was rebuilt from the correction goes", _only_the_released_one_is_old,
        base=(monday,),
        closed=places(REPORT, TUE), link="exports.exp_weather_report",
        holds={(REPORT, TUE): [("Ulm", "30.0")]},
        goes={(SHOP, TUE): [("a", 4), ("b", 6)]},
        repair=(rebuild("exports.exp_weather_report", TUE),),
        opened={(REPORT, TUE): [("Ulm", "2.0")]},
    ),
]  # fmt: skip
