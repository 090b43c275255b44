"""Path templates: from a partition's key to its path and back, at every grain, and where markers lie."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sluicegate.contracts.drops import CompleteOn, DropTemplate, default_completion
from sluicegate.core.partitions import SNAPSHOT_PARTITION, Grain, Partitioning, grain_of

TEMPLATES = {
    Grain.HOURLY: [
        "readings/{date}T{hour}.csv",
        "{year}/{month}/{day}/{hour}/part-*.json",
        "{date}/{hour}.csv",
    ],
    Grain.DAILY: [
        "sales/{date}.csv.gz",
        "{year}/{month}/{day}/part-*.json",
        "{date}/{date}.csv",
        "a-{date}-?.csv",
    ],
    Grain.WEEKLY: ["visits/{week}.csv", "visits/{date}.csv", "{week}/*.csv"],
    Grain.MONTHLY: ["bills/{year}-{month}.csv", "{year}/{month}/*/x.csv"],
}
MOMENTS = st.datetimes(datetime(1000, 1, 8), datetime(9998, 12, 1), timezones=st.just(UTC))
DROP_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", fullmatch=True).filter(
    lambda drop: grain_of(drop) is None
)


def template(text: str, grain: Grain) -> DropTemplate:
    made = DropTemplate(text, Partitioning(grain, "source" if grain is Grain.DROP else ""))
    assert made.problem() == ""
    return made


def a_file_of(pattern: str) -> str:
    """Return a path that a pattern matches."""
    return pattern.replace("*", "0001").replace("?", "b")


@pytest.mark.parametrize(
    ("grain", "text"), [(grain, text) for grain, texts in TEMPLATES.items() for text in texts]
)
@given(moment=MOMENTS)
def test_a_path_tells_the_key_that_it_was_made_of(grain: Grain, text: str, moment: datetime) -> None:
    drop = template(text, grain)
    key = drop.partitioning.key_at(moment)
    assert drop.key_of(a_file_of(drop.of(key))) == key


@given(drop_id=DROP_IDS)
@pytest.mark.parametrize("text", ["recordings/{drop}.csv.gz", "{drop}/*.bag", "{drop}/{drop}.csv"])
def test_a_path_tells_the_dataset_that_it_was_made_of(text: str, drop_id: str) -> None:
    drop = template(text, Grain.DROP)
    assert drop.key_of(a_file_of(drop.of(drop_id))) == drop_id


@given(path=st.text(max_size=40) | st.from_regex(r"x/[0-9]{4}-[0-9]{2}-[0-9]{2}\.csv", fullmatch=True))
@pytest.mark.parametrize("grain", [Grain.DAILY, Grain.WEEKLY])
def test_any_path_is_of_no_partition_or_of_the_one_whose_path_it_is(grain: Grain, path: str) -> None:
    drop = template("x/{date}.csv", grain)
    key = drop.key_of(path)
    assert key is None or drop.of(key) == path


@pytest.mark.parametrize(
    ("text", "grain", "path", "key"),
    [
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/2024-02-29.csv.gz", "2024-02-29"),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/2024-02-30.csv.gz", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/20240101.csv.gz", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/2024-01-01.csv", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "stock/2024-01-01.csv.gz", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/٢٠٢٤-01-01.csv.gz", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/0000-01-01.csv.gz", None),
        ("orders/{date}.csv.gz", Grain.DAILY, "orders/9999-12-31.csv.gz", None),  # its day never ends
        ("{date}/{date}.csv", Grain.DAILY, "2024-01-01/2024-01-02.csv", None),
        ("{date}T{hour}.csv", Grain.HOURLY, "2024-01-01T23.csv", "2024-01-01-23:00"),
        ("{date}T{hour}.csv", Grain.HOURLY, "2024-01-01T24.csv", None),
        ("{week}.csv", Grain.WEEKLY, "2020-W53.csv", "2020-W53-1"),
        ("{week}.csv", Grain.WEEKLY, "2021-W53.csv", None),  # that year had 52
        ("{week}.csv", Grain.WEEKLY, "2021-W00.csv", None),
        ("{date}.csv", Grain.WEEKLY, "2024-01-01.csv", "2024-W01-1"),
        ("{date}.csv", Grain.WEEKLY, "2024-01-02.csv", None),  # a Tuesday
        ("{year}-{month}.csv", Grain.MONTHLY, "2024-12.csv", "2024-12"),
        ("{year}-{month}.csv", Grain.MONTHLY, "2024-13.csv", None),
        ("{drop}.bag", Grain.DROP, "2024-01-01.bag", None),  # that would be a day to everybody else
        ("{drop}.bag", Grain.DROP, "flight.7_a-b.bag", "flight.7_a-b"),
        ("{drop}.bag", Grain.DROP, ".bag", None),
        ("{drop}/*.bag", Grain.DROP, "a/b/c.bag", None),
        ("{drop}/*", Grain.DROP, "a/.done", None),  # hidden, as for a shell
        ("{drop}/.part-?", Grain.DROP, "a/.part-1", "a"),
        ("shops/shops.csv", Grain.SNAPSHOT, "shops/shops.csv", SNAPSHOT_PARTITION),
        ("shops/part-*.csv", Grain.SNAPSHOT, "shops/part-.csv", SNAPSHOT_PARTITION),
        ("shops/[a].csv", Grain.SNAPSHOT, "shops/a.csv", None),
    ],
)
def test_what_is_a_path_of_which_partition(text: str, grain: Grain, path: str, key: str | None) -> None:
    assert template(text, grain).key_of(path) == key


@pytest.mark.parametrize(
    ("text", "grain", "problem"),
    [
        ("sales/{day}.csv", Grain.DAILY, "do not name one partition"),
        ("sales/{date}-{hour}.csv", Grain.DAILY, "do not name one partition"),
        ("sales/{date}.csv", Grain.SNAPSHOT, "do not name one partition"),
        ("sales/{date}.csv", Grain.DROP, "do not name one partition"),
        ("sales/{dte}.csv", Grain.DAILY, "unknown field {dte}"),
        ("/sales/{date}.csv", Grain.DAILY, "not a path below"),
        ("../{date}.csv", Grain.DAILY, "not a path below"),
        ("sales//{date}.csv", Grain.DAILY, "not a path below"),
        ("sales/{date}/", Grain.DAILY, "not a path below"),
        ("", Grain.SNAPSHOT, "not a path below"),
        ("{date}/**", Grain.DAILY, "`**`"),
    ],
)
def test_what_is_no_template(text: str, grain: Grain, problem: str) -> None:
    assert problem in DropTemplate(text, Partitioning(grain)).problem()


@pytest.mark.parametrize(
    ("text", "grain", "marker"),
    [
        ("sales/{date}.csv.gz", Grain.DAILY, "sales/{date}.done"),
        ("sales.{date}.v2.csv", Grain.DAILY, "sales.{date}.done"),
        ("v1.0-{date}.csv", Grain.DAILY, "v1.0-{date}.done"),
        ("{date}/sales.csv", Grain.DAILY, "{date}/sales.done"),
        ("{date}/sales", Grain.DAILY, "{date}/sales.done"),
        ("shops/shops.csv.gz", Grain.SNAPSHOT, "shops/shops.done"),
        ("shops/*.csv", Grain.SNAPSHOT, "shops/.done"),
        ("*.csv", Grain.SNAPSHOT, ".done"),
        ("{date}/part-*.json", Grain.DAILY, "{date}/.done"),
        ("in/{date}/*/x.csv", Grain.DAILY, "in/{date}/.done"),
        ("in/*/{date}.csv", Grain.DAILY, "in/{date}.done"),
        ("sales/{date}-*.csv", Grain.DAILY, "sales/{date}.done"),
        ("{year}/{month}-{day}-?.csv", Grain.DAILY, "{year}/{month}-{day}.done"),
        ("recordings/{drop}/*.bag", Grain.DROP, "recordings/{drop}/.done"),
        ("{drop}.bag", Grain.DROP, "{drop}.done"),
    ],
)
def test_the_marker_where_the_contract_names_none(text: str, grain: Grain, marker: str) -> None:
    completion = default_completion(template(text, grain))
    assert (completion.on, completion.template and completion.template.text) == (CompleteOn.MARKER, marker)
    assert completion.template is not None
    assert (completion.template.problem(), completion.template.several) == ("", False)
    # Even where the pattern takes any name, a marker is not one of the files that it announces.
    key = {Grain.SNAPSHOT: SNAPSHOT_PARTITION, Grain.DROP: "a"}.get(grain, "2024-01-01")
    assert completion.template.key_of(completion.template.of(key)) == key


@pytest.mark.parametrize("key", ["9999-12-31", "9999-12", "9999-W52-5", "0001-01-01", "2024-1-01", "", "x"])
def test_no_text_is_a_key_that_breaks_the_calendar(key: str) -> None:
    assert not any(Partitioning(grain).holds(key) for grain in Grain if grain.timed)
    assert grain_of(key) is None


@pytest.mark.parametrize("grain", Grain)
@pytest.mark.parametrize("text", ["weather/{date}.csv", "{town}/part-*.json.gz", "../x", "recordings"])
def test_the_path_that_is_proposed_names_the_partitions_of_its_grain(grain: Grain, text: str) -> None:
    source = "weather" if grain is Grain.DROP else ""
    proposed = DropTemplate(text, Partitioning(grain, source)).example("weather")
    template(proposed, grain)
    assert proposed.startswith("weather/")
    assert proposed.endswith(text.partition(".")[2] if "." in text and "../" not in text else "")
