"""The cases in which a rule, the SQL or the warehouse is another than when a partition was built.

Belongs here: as in `sentence`, whose cases are of corrected data. Does not: asking for a delivery.
"""

from dataclasses import dataclass
from dataclasses import replace as variant

from tests.company import MON, TUE, WED
from tests.gate.conditions import monday
from tests.gate.deployments import GAUGE
from tests.gate.edits import Edit, append, both, replace, write
from tests.gate.office import (
    Office,
    ask_the_sensor,
    not_in_set,
    places,
    rule,
    unnoticed,
    unsent_tuesday,
)
from tests.gate.sentence import (
    BUILT,
    CORRECTED,
    DRY,
    REPORT,
    REPORTS,
    SHOP,
    Case,
    Happening,
    judge,
    only,
    rebuild,
    run,
    tighten_giant_orders,
)

NEVER = "never ran by today's rules"
OLDER_SQL = "built by older SQL"
OLDER_BUILD = "older than the newest build on record"
DBT, MODELS = "dbt_project/dbt_project.yml", "dbt_project/models"
SEVERITY = "TEST_SEVERITY"

# One day is enough where nothing is said of windows.
TUESDAY = (monday, unsent_tuesday)
THE_SHOPS, THE_REPORT = (SHOP, TUE), (REPORT, TUE)
ALL_BUILT = only(BUILT, THE_SHOPS, THE_REPORT)

# -- a rule is another


def edited(*edits: Edit) -> Happening:
    """Change project files, and do nothing else."""
    return lambda office: office.edit(*edits)


LESS_RAIN = "    or (rain_mm > 350 and {{ in_partition('business_date') }})\n"
_ORDERS = Case(
    "of orders", edited(),
    closed=(THE_SHOPS,), link="staging.stg_orders", said=NEVER, advice="sluice table judge",
    goes=only(BUILT, THE_REPORT),
    repair=(judge("staging.stg_orders", MON, TUE),), opened=only(BUILT, THE_SHOPS),
    base=TUESDAY, daemons=False,
)  # fmt: skip
_WEATHER = Case(
    "of weather", edited(),
    closed=(THE_REPORT, THE_SHOPS), link="staging.stg_weather", said=NEVER, advice="sluice table judge",
    repair=(judge("staging.stg_weather", TUE),), opened=ALL_BUILT, base=TUESDAY, daemons=False,
)  # fmt: skip
_UNIQUE_SHOPS = "            combination_of_columns: [business_date, shop]\n"
_EVERYWHERE = both(
    rule("orders", "loaves", "max_value: 100"),
    rule("stg_orders", "loaves", "max_value: 100"),
    rule("shop_orders", "loaves", "max_value: 100"),
    rule("exp_shop_orders", "loaves", "max_value: 100"),
)

OTHER_RULES = [
    variant(
        _ORDERS, name="a rule is added to a suite",
        happens=edited(rule("stg_orders", "loaves", "max_value: 100")), daemons=True,
    ),
    variant(
        _WEATHER, name="a singular dbt test is tightened",
        happens=edited(append("dbt_project/tests/one_rain_a_day.sql", LESS_RAIN)), daemons=True,
    ),
    variant(
        _ORDERS, name="a generic dbt test has other arguments",
        happens=edited(replace(f"{MODELS}/staging/_staging.yml", "at_most: 500", "at_most: 400")),
    ),
    variant(
        _ORDERS, name="a generic dbt test of what is sent looks at other rows",
        happens=edited(
            replace(
                f"{MODELS}/exports/_exports.yml", _UNIQUE_SHOPS,
                f"{_UNIQUE_SHOPS}          config: {{where: loaves > 0}}\n",
            )
        ),
        link="exports.exp_shop_orders", repair=(judge("exports.exp_shop_orders", TUE),),
    ),
    variant(
        _ORDERS, name="a rule is loosened",
        happens=edited(replace("expectations/stg_orders.yml", "max_value: 500", "max_value: 600")),
    ),
    variant(
        _WEATHER, name="a column of a contract becomes required",
        happens=edited(replace("contracts/weather.odcs.yaml", "required: false", "required: true")),
        link="raw.weather", advice="sluice", repair=(rebuild("raw.weather", TUE),),
    ),
    variant(
        _ORDERS, name="a rule of a snapshot", happens=edited(not_in_set("shops", "shop", "z")),
        link="raw.shops", repair=(judge("raw.shops"),),
    ),
    variant(
        _ORDERS, name="rules all the way up, judged by one command", happens=edited(_EVERYWHERE),
        link="exports.exp_shop_orders",
        repair=(judge("exports.exp_shop_orders", TUE, TUE, "--with-parents"),),
    ),
    Case(
        "a tighter rule that was asked, and said no", tighten_giant_orders,
        closed=(THE_SHOPS,), link="staging.stg_orders", said="failed", advice="",
        goes=only(BUILT, THE_REPORT),
        repair=(lambda office: office.company.land_orders(TUE, a=1, b=2), run),
        opened=only(CORRECTED, THE_SHOPS), base=TUESDAY,
    ),
    Case(
        "other words about the same rules",
        edited(
            replace("expectations/stg_orders.yml", "The oven holds 500", "Our oven holds 500"),
            replace("expectations/stg_weather.yml", "description: Weather", "description: The weather"),
        ),
        goes=ALL_BUILT, base=TUESDAY,
    ),
]  # fmt: skip


# -- the warehouse is another


def _restored_after_it_was_sent(office: Office) -> None:
    office.retry()
    with office.backup():
        office.company.land_orders(TUE, a=1, b=2)
        office.sluice("run")


def _restored_before_it_was_sent(office: Office) -> None:
    with office.backup():
        office.company.land_orders(TUE, a=1, b=2)
        with office.unconfigured():
            office.company.run()


def _weather_restored(office: Office) -> None:
    office.retry()
    with office.backup():
        office.company.land_weather(TUE, rain=2)
        office.sluice("run")


def _rebuilt_on_what_was_restored(office: Office) -> None:
    _restored_after_it_was_sent(office)
    # What is refused here is not sent later.
    office.company.materialize(TUE, "staging/stg_orders", "marts/shop_orders", "exports/exp_shop_orders")


def _restored_from_before_two_layers_were_rebuilt(office: Office) -> None:
    with office.backup():
        office.by_hand(TUE, "raw/orders", "staging/stg_orders")


RESTORED = [
    Case(
        "a correction was sent, and the warehouse is from before it", _restored_after_it_was_sent,
        closed=places(SHOP, TUE), link="raw.orders", said=OLDER_BUILD,
        holds=only(CORRECTED, (SHOP, TUE)), goes=only(BUILT, THE_REPORT),
        repair=(rebuild("raw.orders", TUE),), opened=only(CORRECTED, (SHOP, TUE)), base=TUESDAY,
    ),
    Case(
        "a correction was built and not sent", _restored_before_it_was_sent,
        closed=places(SHOP, TUE), link="raw.orders", said=OLDER_BUILD,
        goes=only(BUILT, (SHOP, WED), *REPORTS),
        repair=(rebuild("raw.orders", TUE),), opened=only(CORRECTED, (SHOP, TUE)),
    ),
    Case(
        "files on object storage", _weather_restored,
        closed=((REPORT, TUE), (SHOP, TUE)), link="raw.weather", said=OLDER_BUILD,
        holds=DRY,
        repair=(rebuild("raw.weather", TUE),), opened=DRY, base=TUESDAY,
    ),
    Case(
        "all but the raw table is built anew on it", _rebuilt_on_what_was_restored,
        closed=places(SHOP, TUE), link="raw.orders", said=OLDER_BUILD,
        holds=only(CORRECTED, (SHOP, TUE)), goes=only(BUILT, THE_REPORT),
        repair=(rebuild("raw.orders", TUE),), opened=only(CORRECTED, (SHOP, TUE)), base=TUESDAY,
    ),
    Case(
        "two layers had been rebuilt from the same drop", _restored_from_before_two_layers_were_rebuilt,
        closed=places(SHOP, TUE), link="staging.stg_orders", said=OLDER_BUILD,
        goes=only(BUILT, THE_REPORT),
        repair=(rebuild("raw.orders", TUE),), opened=only(BUILT, (SHOP, TUE)), base=TUESDAY,
    ),
]  # fmt: skip


# -- the SQL is another

LARGEST_IN_MODEL = unnoticed(f"{MODELS}/marts/shop_orders.sql", "total('loaves')", "'max( loaves )'")


def rerun_outdated(office: Office) -> None:
    """Repair by `sluice table rerun --outdated`."""
    office.sluice("table", "rerun", "--outdated")


_MART = Case(
    "of the mart", edited(),
    closed=(THE_SHOPS,), link="marts.shop_orders", said=OLDER_SQL, goes=only(BUILT, THE_REPORT), base=TUESDAY,
    repair=(rerun_outdated,), opened={(SHOP, MON): [("a", 3), ("b", 4)], THE_SHOPS: [("a", 3), ("b", 10)]},
    outdated=(("marts.shop_orders", MON), ("marts.shop_orders", TUE)), daemons=False,
)  # fmt: skip


def _another_gauge(office: Office) -> None:
    office.patch.setenv(GAUGE, "2")
    office.reload()


OTHER_SQL = [
    variant(
        _MART, name="a model of the same length and time", happens=edited(LARGEST_IN_MODEL),
        daemons=True, commands=True,
    ),
    variant(
        _MART, name="a macro of the same length and time",
        happens=edited(unnoticed("dbt_project/macros/measures.sql", "sum(", "max(")),
    ),
    variant(
        _MART, name="a variable of dbt's",
        happens=edited(unnoticed(DBT, "least_loaves: 0", "least_loaves: 2")),
        link="staging.stg_orders", outdated=(("staging.stg_orders", MON), ("staging.stg_orders", TUE)),
        opened={THE_SHOPS: [("a", 3), ("b", 14)]},
    ),
    variant(
        _MART, name="a window of fewer days",
        happens=edited(unnoticed(f"{MODELS}/marts/_marts.yml", "{stg_orders: 3}", "{stg_orders: 1}")),
        opened={THE_SHOPS: [("a", 1), ("b", 10)]},
    ),
    Case(
        "a variable of the environment", _another_gauge,
        closed=(THE_REPORT,), link="exports.exp_weather_report", said=OLDER_SQL, goes=only(BUILT, THE_SHOPS),
        outdated=(("exports.exp_weather_report", MON), ("exports.exp_weather_report", TUE)),
        repair=(rebuild("exports.exp_weather_report", TUE),), opened={THE_REPORT: [("Ulm", "60.0")]},
        base=TUESDAY,
    ),
    Case(
        "a staging table's model, for both destinations",
        edited(unnoticed(f"{MODELS}/staging/stg_weather.sql", "(rain_mm, 0)", "(rain_mm, 9)")),
        closed=(THE_REPORT, THE_SHOPS), link="staging.stg_weather", said=OLDER_SQL, base=TUESDAY,
        outdated=(("staging.stg_weather", MON), ("staging.stg_weather", TUE)),
        repair=(rebuild("staging.stg_weather", MON, TUE),), opened=ALL_BUILT,
    ),
    Case(
        "other words about the same SQL",
        edited(replace(f"{MODELS}/marts/_marts.yml", "What each shop", "All that each shop")),
        goes=ALL_BUILT, base=TUESDAY,
    ),
]  # fmt: skip


# -- the environment says whether a test blocks

_SAYS = f"{{{{ env_var('{SEVERITY}', 'error') }}}}"
_RAIN_TEST = "dbt_project/tests/credible_rain.sql"
# Where the severity of a test may come from, and the name of the test.
SEVERITIES: dict[str, tuple[Edit, str]] = {
    "dbt_project.yml, all tests": (append(DBT, f'data_tests:\n  +severity: "{_SAYS}"\n'), "credible_rain"),
    "a singular test's own config": (
        lambda folder: write(
            _RAIN_TEST,
            f"{{{{ config(severity=env_var('{SEVERITY}', 'error')) }}}}\n{(folder / _RAIN_TEST).read_text()}",
        )(folder),
        "credible_rain",
    ),
    "a generic test's config in YAML": (
        replace(
            f"{MODELS}/staging/_staging.yml", "name: no_giant_order\n",
            f'name: no_giant_order\n              config: {{severity: "{_SAYS}"}}\n',
        ),
        "no_giant_order",
    ),
    "switched off": (
        append(
            DBT,
            "data_tests:\n  +enabled: \"{{ env_var('TEST_SEVERITY', 'error') == 'error' }}\"\n",
        ),
        "one_rain_a_day",
    ),
}  # fmt: skip


def _built_while_it_only_warned(where: str) -> Happening:
    """Build both days with a tighter test of rain that only warns; a process then loads it as it is."""

    def happens(office: Office) -> None:
        office.patch.setenv(SEVERITY, "warn")
        office.edit(SEVERITIES[where][0], replace(DBT, "most_rain: 400", "most_rain: 20"))
        with office.unconfigured():
            office.rerun("staging.stg_weather", TUE)
        office.patch.delenv(SEVERITY)
        office.reload()

    return happens


def _judge_all(office: Office) -> None:
    for export in ("exp_shop_orders", "exp_weather_report"):
        office.judge(f"exports.{export}", TUE, TUE, "--with-parents")


def _dry_tuesday(office: Office) -> None:
    assert office.rows(THE_REPORT) == []  # judged by the test as it is, it has failed
    office.company.land_weather(TUE, rain=2)
    office.sluice("run")


WARNED = [
    Case(
        f"severity in {where}", _built_while_it_only_warned(where),
        closed=(THE_REPORT, THE_SHOPS), link="staging.stg_weather", said=NEVER, advice="sluice table judge",
        repair=(_judge_all, Office.retry, _dry_tuesday), opened=DRY, base=TUESDAY,
    )
    for where in ("dbt_project.yml, all tests", "a singular test's own config")
]  # fmt: skip


# -- the weather is built and sent, and something happens before the orders land


@dataclass(frozen=True)
class Later:
    """What happens to Tuesday's weather before its orders land, and what repairs it."""

    name: str
    happens: Happening
    repair: Happening


def _weather_is_older_again(office: Office) -> None:
    with office.backup():
        office.company.land_weather(TUE, rain=2)
        ask_the_sensor(office.company)


LATER = [
    Later(
        "a rule is added to a suite", edited(rule("stg_weather", "rain_mm", "max_value: 350")),
        judge("staging.stg_weather", TUE),
    ),
    Later(
        "a singular dbt test's variable is another", edited(replace(DBT, "most_rain: 400", "most_rain: 350")),
        judge("staging.stg_weather", TUE),
    ),
    Later(
        "the model is another",
        edited(unnoticed(f"{MODELS}/staging/stg_weather.sql", "(rain_mm, 0)", "(rain_mm, 9)")),
        rebuild("staging.stg_weather", TUE),
    ),
    Later("the warehouse is older", _weather_is_older_again, rebuild("raw.weather", TUE)),
]  # fmt: skip
