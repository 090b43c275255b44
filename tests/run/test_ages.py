"""What is too old to be sent by its contract's `maxAge`: held, told, and sent by itself once it is not.

The clock is passed in; what lands is on record with it, and nothing else of it is kept.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.gate.gate import Verdict
from orchestration.graph.deliveries_shown import GATE_CHECK
from orchestration.graph.headless import deliver_alone
from orchestration.graph.instance import open_instance
from orchestration.graph.releasing import NotReleasable, Request, release
from orchestration.operations.due import Cursor, find_due
from orchestration.operations.status import Standing
from tests.company import MON, SHOP_ORDERS, TUE, WED, Company, failures, held, runs
from tests.gate.edits import append, replace
from tests.observatory import (
    DAY,
    FEBRUARY,
    HOURS,
    JANUARY,
    WEEK,
    archived,
    land_hour,
    land_plan,
    land_recording,
    land_stations,
    land_week,
    open_observatory,
)

pytestmark = pytest.mark.stories(2)

STANDS = Verdict.TOO_OLD.value


def _max_age(source: str, value: int, unit: str) -> tuple[str, ...]:
    return (f"contracts/{source}.odcs.yaml", "slaProperties:",
            "  - property: maxAge", f"    value: {value}", f"    unit: {unit}")  # fmt: skip


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """A source of a grain, how old it may be, and an export that is made of it.

    `lands` lands what the export's partition is made of at `at`, `renews` what lets it go at `late`.
    """

    source: str
    max_age: tuple[int, str]
    export: str
    partition: str
    lands: Callable[[Company], None]
    at: str
    late: str
    renews: Callable[[Company], None]
    wanted: str


def _land_day(company: Company) -> None:
    for hour in HOURS:
        land_hour(company, hour, a=1)


def _land_week(company: Company) -> None:
    land_plan(company, FEBRUARY)
    land_week(company, WEEK, "2024-01-30")


CASES = {
    "snapshot": Case(
        "stations", (1, "w"), "exp_day_sums", DAY, _land_day,
        "2024-02-01T00:00", "2024-02-08T00:01", lambda company: land_stations(company, "a", "b", "c"),
        "a new drop of `stations`",
    ),
    "hourly": Case(
        "readings", (2, "h"), "exp_hour_readings", HOURS[0],
        lambda company: land_hour(company, HOURS[0], a=1),
        "2024-01-01T21:05", "2024-01-01T23:01", lambda company: land_hour(company, HOURS[2], a=1),
        "`readings` of 2024-01-01-21:00 or later",
    ),
    "weekly": Case(
        "calibrations", (8, "d"), "exp_week_offsets", WEEK, _land_week,
        "2024-02-05T00:00", "2024-02-13T00:01",
        lambda company: land_week(company, "2024-W06-1", "2024-02-06"),
        "`calibrations` of 2024-W06-1 or later",
    ),
    "monthly": Case(
        "plans", (2, "w"), "exp_month_plans", JANUARY, lambda company: None,
        "2024-02-01T00:00", "2024-02-15T00:01", lambda company: land_plan(company, FEBRUARY),
        "`plans` of 2024-02 or later",
    ),
    "drop": Case(
        "recordings", (90, "min"), "exp_recording_peaks", "r1",
        lambda company: land_recording(company, "r1", 1),
        "2024-02-01T00:00", "2024-02-01T01:31", lambda company: land_recording(company, "r2", 2),
        "a new drop of `recordings`",
    ),
}  # fmt: skip


@pytest.fixture
def observatory(tmp_path: Path) -> Iterator[Company]:
    with open_observatory(tmp_path) as company:
        yield company.with_own_project()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.sampled(4)
def test_what_is_too_old_is_held_everywhere_and_goes_out_by_itself(observatory: Company, case: Case) -> None:
    company = observatory.with_line(*_max_age(case.source, *case.max_age))
    name, place = case.export.removeprefix("exp_"), (case.export, case.partition)
    case.lands(company)
    at, late = company.at(_moment(case.at)), company.at(_moment(case.late))
    with open_instance(at.settings) as instance:  # its daemon sees what has landed, and stands still then
        find_due(at.site, Cursor(), lambda _: False)

        assert place in held(late.run())
        assert archived(late, name) == {}
        row = late.status()[place]
        assert (row.standing, STANDS in row.why, case.wanted in row.why) == (Standing.HELD, True, True)
        report = late.site.gate_report(*place)
        assert [item.verdict for item in report.reasons] == [Verdict.TOO_OLD]
        assert report.reasons[0].relation == f"raw.{case.source}"
        passed, said = late.check_results(f"delivered/{case.export}", GATE_CHECK)[case.partition]
        assert (passed, STANDS in said, f"sluice land {case.source} FILE" in said) == (False, True, True)
        # Nobody can vouch for it: the way out is a drop, or the contract.
        with pytest.raises(NotReleasable, match="only a check that has failed can be released"):
            release(
                late.desk(instance),
                Request(*place, "why not", "me", _moment("2099-01-01")),
            )

    assert runs(late.run()) == []  # a second look says the same, and starts nothing
    case.renews(late)
    assert failures(late.run()) == ""
    assert case.partition in archived(late, name)
    assert late.status()[place].standing is Standing.DELIVERED
    assert late.run() == []


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.sampled(4)
def test_until_its_due_moment_it_goes_out(observatory: Company, case: Case) -> None:
    company = observatory.with_line(*_max_age(case.source, *case.max_age))
    case.lands(company)
    at = company.at(_moment(case.at))
    find_due(at.site, Cursor(), lambda _: False)
    last = company.at(_moment(case.late) - timedelta(minutes=1))
    assert failures(last.run()) == ""
    assert case.partition in archived(last, case.export.removeprefix("exp_"))
    # What has been delivered stays delivered, however old it gets.
    assert (
        company.at(_moment("2030-01-01")).status()[(case.export, case.partition)].standing
        is Standing.DELIVERED
    )


def test_the_same_snapshot_landed_once_more_is_a_new_one(observatory: Company) -> None:
    company, late = observatory.with_line(*_max_age("stations", 1, "w")), _moment("2024-02-09")
    _land_day(company)
    early = company.at(_moment("2024-02-01"))
    find_due(early.site, Cursor(), lambda _: False)
    assert ("exp_day_sums", DAY) in held(company.at(late).run())
    land_stations(company, "a", "b")  # the very same rows
    # Which starts no load, as there is nothing to load; what has waited goes out.
    assert runs(company.at(late).run()) == [(DAY, True)]
    assert DAY in archived(company, "day_sums")


def _moved(staging: Path) -> None:
    """As `cp -a` or a restored backup does: the same times, other places on the disk."""
    shutil.copytree(staging, staging.with_name("other"))
    shutil.rmtree(staging)
    staging.with_name("other").rename(staging)


def _touched(staging: Path) -> None:
    for file in staging.rglob("*"):
        file.touch()


@pytest.mark.parametrize("change", [_moved, _touched])
@pytest.mark.sampled(2)
def test_staging_that_was_copied_or_touched_makes_no_snapshot_new(
    open_bakery: Company, change: Callable[[Path], None]
) -> None:
    age = append("contracts/shops.odcs.yaml", "  - property: maxAge\n    value: 3\n    unit: d\n")
    company = open_bakery.with_own_project()
    age(company.settings.project_dir)
    company = company.read_anew()
    company.run()
    change(company.settings.data_dir / "staging")
    late = company.at(datetime.now(UTC) + timedelta(days=4))
    late.land_day(TUE, a=5)
    late.run()
    assert late.in_postgres(TUE) == []
    assert STANDS in late.status()[(SHOP_ORDERS, TUE)].why
    late.land_shops("a", "b")  # the very same rows, landed by somebody
    late.run()
    assert late.in_postgres(TUE) != []


def test_rows_that_were_built_from_what_was_too_old_are_built_anew_before_they_go(
    observatory: Company,
) -> None:
    company = observatory.with_line(*_max_age("stations", 1, "w"))
    _land_day(company)
    before = company.at(datetime.now(UTC) - timedelta(days=10))
    find_due(before.site, Cursor(), lambda _: False)
    assert ("exp_day_sums", DAY) in held(company.run())
    company.land("stations", None, "station,hill\na,New hill\nb,B hill\n")
    # By hand, in another order than the sensor's: the snapshot alone, then the export.
    assert company.materialize("", "raw/stations") == (True, "")
    pressed, said = company.materialize(DAY, "delivered/exp_day_sums")
    assert (pressed, Verdict.BUILT_FROM_TOO_OLD.value in said) == (False, True)
    assert archived(company, "day_sums") == {}
    report = company.site.gate_report("exp_day_sums", DAY)
    assert report.steps == (f"`sluice table rerun marts.day_sums --partition {DAY}`",)

    assert (DAY, True) in runs(company.run())
    assert [row[2] for row in archived(company, "day_sums")[DAY]] == ["New hill"]
    assert company.run() == []


@pytest.mark.parametrize("mode", ["append", "upsert", "mirror", "snapshot"])
@pytest.mark.sampled(6)
def test_an_old_day_goes_by_the_newest_of_its_source_in_every_mode(bakery: Company, mode: str) -> None:
    company = bakery.with_own_project()
    for edit in (
        replace("exports/exp_shop_orders.yml", "mode: mirror", f"mode: {mode}"),
        append("contracts/orders.odcs.yaml", "  - property: maxAge\n    value: 36\n    unit: h\n"),
    ):
        edit(company.settings.project_dir)
    company.land_shops("a")
    company.land_day(MON, a=1)
    late = company.read_anew().at(_moment("2024-01-03T12:01"))
    assert (SHOP_ORDERS, MON) in held(late.run())
    assert company.in_postgres() == []
    company.land_day(TUE, a=2)
    # The newest is Tuesday now, so that Monday may go as well: its rows are what they are.
    assert runs(late.run())[-1] == (MON, True)
    assert [(day, shop) for day, shop, _ in company.in_postgres()] == [(MON, "a"), (TUE, "a")]
    # Nothing lands, and nothing happens: what waits is held all the same.
    much_later = company.read_anew().at(_moment("2024-01-08T00:00"))
    company.land_day(WED, a=3)
    assert held(much_later.run()) == [(SHOP_ORDERS, WED)]
    with open_instance(company.settings) as instance:
        target = much_later.site.target(SHOP_ORDERS)
        again = deliver_alone(much_later.desk(instance), target, MON)
    assert (again.success, STANDS in "".join(again.failures)) == (False, True)


def test_the_contract_lets_it_go_as_well(bakery: Company) -> None:
    company = bakery.with_own_project()
    contract = company.settings.project_dir / "contracts" / "orders.odcs.yaml"
    contract.write_text(contract.read_text() + "  - property: maxAge\n    value: 1\n    unit: d\n")
    company.land_shops("a")
    company.land_day(MON, a=1)
    code, said, _ = company.sluice("run")
    assert (code, STANDS in said) == (1, True)
    code, said, _ = company.sluice("status")
    assert (Standing.HELD.value in said, STANDS in said) == (True, True)
    code, said, _ = company.sluice("why", SHOP_ORDERS, "--partition", MON)
    assert (code, f"raw.orders [{MON}]: {STANDS}" in said) == (1, True)
    contract.write_text(contract.read_text().replace("value: 1\n    unit: d", "value: 2000\n    unit: w"))
    code, said, _ = company.sluice("run")
    assert (code, company.in_postgres()) == (0, [(MON, "a", 1)])


def test_a_newer_drop_that_is_typed_lets_it_go(bakery: Company, tmp_path: Path) -> None:
    company = bakery.with_own_project()
    contract = company.settings.project_dir / "contracts" / "weather.odcs.yaml"
    contract.write_text(
        contract.read_text() + "slaProperties:\n  - property: maxAge\n    value: 3\n    unit: d\n"
    )
    company.land_shops("a")
    company.land_day(MON, a=1)
    code, said, _ = company.sluice("run")
    assert (code, "`sluice land weather FILE`" in said) == (1, True)
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    file = tmp_path / f"{today}.csv"
    file.write_text(f"date,town,rain_mm\n{today},Ulm,1.5\n")
    assert company.sluice("land", "weather", str(file))[0] == 0
    company.sluice("run")
    assert company.in_postgres() == [(MON, "a", 1)]
