"""What may go where, by real SQL: the way from the contract to the field, and every printed fix typed."""

from datetime import date, timedelta

from sluicegate.codes import place
from sluicegate.core.column_origins import Place
from sluicegate.core.relations import Relation
from sluicegate.project.loading import expired_in, warnings_in

from tests.columns.conftest import DAMP, DBT, DESCRIBED, RENAMED, REPORT, SENT, STAGED, Edited

WAY = "raw.weather.rain_mm → staging.stg_weather.wet → exports.exp_weather_report.damp (identity)"
UNTIL = date(2026, 4, 30)
EXCEPTION = (
    "declassified: {from: restricted, to: internal, reason: agreed, by: me@bakery.example, until: 2026-04-30}"
)


def described(bakery: Edited, meta: str) -> Edited:
    return bakery.edit(DESCRIBED, (DAMP, f"{DAMP}config: {{meta: {{{meta}}}}}, "))


def test_a_column_that_is_renamed_keeps_its_class_and_the_error_shows_the_way(bakery: Edited) -> None:
    bakery.edit_all(RENAMED)
    assert bakery.told() == [
        f"{REPORT}:1: field `damp` is restricted: {WAY}; expected data of the classes that this destination"
        f" may receive: internal, public; take it out of {SENT}; mask it in its contract, or send a measure,"
        " where contracts/classes.yml has a rule that lowers restricted; add restricted to `classes` once its"
        " owner agrees; or write an exception in the column's meta: `declassified: {from: restricted, to: …,"
        f" reason: …, by: name@…, until: YYYY-MM-DD}}` [SLU-P002: {place('SLU-P002')}]"
    ]
    bakery.write(REPORT, (bakery.folder / REPORT).read_text() + "classes: [public]\n")
    assert bakery.told()[0].startswith(f"{REPORT}:{bakery.line(REPORT, 'classes:')}: field `damp`")
    bakery.edit(REPORT, ("classes: [public]", "classes: [public, internal, restricted]"))
    project = bakery.load()
    assert project.classified_columns[Relation("exports", "exp_weather_report")] == {"damp"}
    assert project.classified_columns[Relation("staging", "stg_weather")] == {"wet"}
    assert project.classified_columns[Relation("marts", "shop_orders")] == frozenset()


def test_one_word_in_dbt_lowers_nothing_and_the_exception_that_it_names_does(bakery: Edited) -> None:
    described(bakery.edit_all(RENAMED), "classification: internal")
    line = bakery.line(DESCRIBED, "classification: internal")
    told = bakery.told()
    assert told[0] == (
        f"{DESCRIBED}:{line}: column `damp` of `exp_weather_report` is said to be internal, but it is"
        f" restricted: {WAY}; expected a class that is no more open than what comes in: `classification` only"
        " raises; take it away, or write the exception beside it: `declassified: {from: restricted, to:"
        f" internal, reason: …, by: name@…, until: YYYY-MM-DD}}` [SLU-P069: {place('SLU-P069')}]"
    )
    assert len(told) == 2, "and it may not go there"

    bakery.edit(DESCRIBED, ("classification: internal", f"classification: internal, {EXCEPTION}"))
    project = bakery.load()
    assert project.classes.of(Place(Relation("delivered", "exp_weather_report"), "damp")) == {"internal"}
    assert "damp" in project.classified_columns[Relation("exports", "exp_weather_report")]

    def expired(day: date) -> list[str]:
        return list(map(str, expired_in(project, bakery.settings, day)))

    assert expired(UNTIL) == []
    assert expired(UNTIL + timedelta(1)) == [
        f"{DESCRIBED}:{line}: the exception that lets `exports.exp_weather_report.damp` count as internal"
        " ended on 2026-04-30, and without it `damp` is restricted; expected data of the classes that the"
        " destination may receive: internal, public; me@bakery.example takes the data out of what is sent, or"
        f" decides anew until when it holds (`until` in {DESCRIBED}:{line})"
        f" [SLU-E016: {place('SLU-E016')}]"
    ]
    for days, warned in ((15, False), (14, True), (0, True)):
        said = [text for text in warnings_in(project, UNTIL - timedelta(days)) if "ends on" in text]
        assert bool(said) is warned
        assert all(f"ends on 2026-04-30, in {days} days" in text for text in said)


def test_a_name_that_a_classified_column_has_upstream_is_asked_about(bakery: Edited) -> None:
    bakery.edit_all(RENAMED)
    bakery.edit(SENT, ("    wet as damp", "    {{ to_type('1', 'decimal(6,1)') }} as rain_mm"))
    bakery.edit(DESCRIBED, (DAMP, DAMP.replace("damp", "rain_mm")))
    [told] = bakery.told()
    assert (
        "field `rain_mm` is restricted: raw.weather.rain_mm → exports.exp_weather_report.rain_mm"
        " (by its name alone: another name, if it is something else); expected"
    ) in told


def test_an_exception_holds_only_exports_that_need_it(bakery: Edited) -> None:
    described(bakery.edit_all(RENAMED), EXCEPTION)
    bakery.write(REPORT, (bakery.folder / REPORT).read_text() + "classes: [internal, restricted]\n")
    project = bakery.load()
    assert [export.rests_on for export in project.exports.values()] == [(), ()]


def test_what_only_decides_rows_is_refused_warned_or_allowed(bakery: Edited) -> None:
    bakery.edit(STAGED, ("where {{", "where rain_mm < 10 and {{"))
    bakery.edit(STAGED, ("{{ to_type('coalesce(rain_mm, 0)', 'decimal(6,1)') }} as rain_mm",
                         "{{ to_type('1', 'decimal(6,1)') }} as wet"))  # fmt: skip
    bakery.edit_all({name: changes for name, changes in RENAMED.items() if name != STAGED})
    warned = [text for text in warnings_in(bakery.load(), UNTIL) if "decides which rows" in text]
    assert len(warned) == 2, "both exports are made of it"
    assert (
        "what is restricted decides which rows of `exp_weather_report` there are, or in which order:"
        " raw.weather.rain_mm (filter) in staging.stg_weather; expected rows by data of the classes that this"
        " destination may receive: internal, public; take it out of staging.stg_weather, add restricted to"
        " `classes` once its owner agrees, or say in contracts/classes.yml `indirect: {restricted: allow}`"
    ) in warned[0] + warned[1]
    bakery.edit("contracts/classes.yml", ("restricted: warn", "restricted: refuse"))
    assert [text.partition(": what")[0] for text in bakery.told()] == [
        "exports/exp_shop_orders.yml:1", f"{REPORT}:1"
    ]  # fmt: skip
    bakery.edit("contracts/classes.yml", ("restricted: refuse", "restricted: allow"))
    assert warnings_in(bakery.load(), UNTIL) == []


def test_a_measure_of_enough_rows_goes_where_its_class_may(bakery: Edited) -> None:
    bakery.edit_all(RENAMED)
    bakery.edit(SENT, ("    wet as damp", "    {{ to_type('avg(wet)', 'decimal(6,1)') }} as damp"))
    grouped = (bakery.folder / SENT).read_text() + "group by business_date, town\n"
    bakery.write(SENT, grouped)
    assert "damp (measure); expected" in bakery.told()[0]
    bakery.write(SENT, f"{grouped}having count(wet) >= 5\n")
    assert bakery.told() == []
    bakery.write(SENT, f"{grouped}having count(wet) >= 4\n")
    assert "damp (measure); expected" in bakery.told()[0]


def test_sha256_in_sql_lowers_nothing_and_the_contracts_masking_does(bakery: Edited) -> None:
    bakery.edit(f"{DBT}/marts/shop_orders.sql", ("    shops.shop,", "    sha256(shops.shop) as shop,"))
    bakery.classify("shops", "The shop, by its code.", "personal")
    told = bakery.told()
    assert [
        text for text in told if "field `shop` is personal: raw.shops.shop → marts.shop_orders.shop" in text
    ]
    bakery.edit("contracts/shops.odcs.yaml", ("{personal: keep}", "{personal: hash}"))
    assert not [text for text in bakery.told() if "personal" in text]


def test_of_what_is_not_understood_every_column_is_hidden_and_the_line_is_named(bakery: Edited) -> None:
    deep = " + ".join(["cast(rain_mm as double)"] * 400)
    bakery.edit(SENT, ("    rain_mm", f"    {{{{ to_type('{deep}', 'decimal(6,1)') }}}} as rain_mm"))
    bakery.edit(f"{DBT}/marts/shop_orders.sql", ("        rain_mm\n", "        1 as mm\n"))
    bakery.edit(f"{DBT}/marts/shop_orders.sql", ("    weather.rain_mm", "    weather.mm"))
    bakery.edit(
        f"{DBT}/exports/exp_shop_orders.sql", ("    rain_mm", "    {{ to_type('mm', 'decimal(6,1)') }} as mm")
    )
    bakery.edit(DESCRIBED, ("{name: rain_mm,", "{name: mm,"))
    fields = [text.partition(" is restricted")[0].rpartition(" ")[2] for text in bakery.told()]
    assert fields == ["`business_date`", "`rain_mm`", "`town`"]
    bakery.write(REPORT, (bakery.folder / REPORT).read_text() + "classes: [internal, restricted]\n")
    project = bakery.load()
    hidden = project.classified_columns[Relation("exports", "exp_weather_report")]
    assert hidden == {"business_date", "rain_mm", "town"}
    [note] = [text for text in warnings_in(project, UNTIL) if "nested" in text]
    assert note.startswith(f"{SENT}:")
    assert "`exp_weather_report`: " in note
