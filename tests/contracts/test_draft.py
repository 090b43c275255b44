"""A contract drafted from samples: valid for the standard, and it loads its own samples, every row."""

import csv
import gzip
import io
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from jsonschema.validators import validator_for
from open_data_contract_standard.model import OpenDataContractStandard
from sluicegate.cli import app
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.partitions import Grain
from sluicegate.core.settings import Settings
from sluicegate.ingestion.landing import land
from sluicegate.ingestion.load import load_drop
from sluicegate.ingestion.local_files import files_to_land
from sluicegate.ingestion.staging import register_landed
from sluicegate.state.deployment import Deployment
from typer.testing import CliRunner

from tests.warehouse.bare import bare

pytestmark = pytest.mark.long

FEEDS = os.environ.get("SLUICE_TEST_FEEDS", "")
HEADER = ["Order No.", "Day", "Customer E-Mail", "Amount", "Paid", "Note"]
ROWS = [
    ["A-1", "2024-01-05", "a@bakery.example", "1234.50", "true", "two; or, three"],
    ["A-2", "2024-01-05", "b@bakery.example", "0.05", "false", 'a "quoted" word'],
    ["A-3", "2024-01-05", "c@bakery.example", "-17.00", "true", "über\nzwei Zeilen"],
    ["A-4", "2024-01-05", "", "99.99", "false", "plain"],
]


@dataclass(frozen=True)
class Drafted:
    """A contract in a project of its own."""

    project: Path
    contract: SourceContract
    text: str
    output: str

    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self.contract.columns}

    def load(self, samples: Sequence[Path], *, differing: bool = False) -> list[tuple[Any, ...]]:
        """Load the samples as a provider's drops; nothing may be quarantined. Returns the table's rows.

        Samples that are `differing` have warnings of what they lack.
        """
        settings = Settings.load({}, project_dir=self.project, data_dir=self.project / "data")
        deployment, contract = Deployment(settings), self.contract
        files, complaint = files_to_land({contract.name: contract}, contract.name, samples, None)
        assert complaint == ""
        keys = list(land(contract, deployment.staging, files))
        register_landed(contract, deployment.staging, deployment.store)
        drops = deployment.store.drops.latest(contract.name, keys)
        loaded = [load_drop(deployment, contract, drops[key]) for key in keys]
        assert [one.quarantined for one in loaded] == [0] * len(keys)
        assert differing or [one.warnings for one in loaded] == [()] * len(keys)
        assert not any("left out" in said for one in loaded for said in one.warnings)
        names = ", ".join(column.name for column in contract.columns)
        with bare(deployment.warehouse) as connection:
            rows = connection.execute(f"select {names} from {contract.relation} order by all").fetchall()
        assert len(rows) == sum(one.rows for one in loaded)
        deployment.store.close()
        return rows


@pytest.fixture(name="project")
def _project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "contracts").mkdir(parents=True)
    return tmp_path / "project"


def new(project: Path, *samples: Path, **options: str) -> Drafted:
    """Draft as a user does; the draft must be valid for the standard, and load."""
    said = [f"--{name}={value}" for name, value in options.items()]
    made = CliRunner().invoke(
        app, ["contract", "new", *map(str, samples), "--project", str(project), *said], catch_exceptions=False
    )
    assert made.exit_code == 0, made.output
    path = Path(made.output.splitlines()[0])
    text = path.read_text()
    data = yaml.safe_load(text)
    OpenDataContractStandard.model_validate(data)
    schema = json.loads(OpenDataContractStandard.json_schema())
    assert [error.message for error in validator_for(schema)(schema).iter_errors(data)] == []
    contracts, problems = load_contracts(project)
    assert problems == []
    (contract,) = contracts.values()
    return Drafted(project, contract, text, made.output)


def written(rows: Sequence[Sequence[str]], header: Sequence[str] | None = HEADER, **dialect: Any) -> str:
    text = io.StringIO()
    said: dict[str, Any] = {"lineterminator": "\n", **dialect}
    writer = csv.writer(text, **said)
    writer.writerows([*([header] if header else []), *rows])
    return text.getvalue()


def with_column(place: int, change: Mapping[str, str]) -> list[list[str]]:
    return [
        [change.get(value, value) if at == place else value for at, value in enumerate(row)] for row in ROWS
    ]


COMMA = {"1234.50": "1.234,50", "0.05": "0,05", "-17.00": "-17,00", "99.99": "99,99"}
ENGLISH = {"1234.50": "1,234.50"}
DIALECTS: dict[str, tuple[str, bytes]] = {
    "comma": ("csv", written(ROWS).encode()),
    "semicolon": ("csv", written(with_column(3, COMMA), delimiter=";").encode()),
    "tab": ("tsv", written(ROWS, delimiter="\t").encode()),
    "pipe, all quoted": ("txt", written(ROWS, delimiter="|", quoting=csv.QUOTE_ALL).encode()),
    "single quotes": ("csv", written(ROWS, quotechar="'", quoting=csv.QUOTE_ALL).encode()),
    "CRLF": ("csv", written(ROWS, lineterminator="\r\n").encode()),
    "UTF-8 with a mark": ("csv", written(ROWS).encode("utf-8-sig")),
    "UTF-16": ("csv", written(ROWS).encode("utf-16")),
    "cp1252": ("csv", written(ROWS).encode("cp1252")),
    "thousands": ("csv", written(with_column(3, ENGLISH)).encode()),
    "gzip": ("csv.gz", gzip.compress(written(ROWS).encode())),
    "gzip without a suffix": ("csv", gzip.compress(written(ROWS).encode())),
}


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", DIALECTS)
def test_csv_of_several_dialects(project: Path, tmp_path: Path, name: str) -> None:
    suffix, content = DIALECTS[name]
    sample = tmp_path / f"orders_2024-01-05.{suffix}"
    sample.write_bytes(content)
    drafted = new(project, sample)
    assert drafted.contract.template.text == f"orders/orders_{{date}}.{suffix}"
    assert drafted.types() == {
        "order_no": "VARCHAR", "day": "DATE", "customer_e_mail": "VARCHAR", "amount": "DECIMAL(9,2)",
        "paid": "BOOLEAN", "note": "VARCHAR",
    }  # fmt: skip
    assert [column.header for column in drafted.contract.columns] == HEADER
    required = {column.name: column.required for column in drafted.contract.columns}
    assert required == {**dict.fromkeys(required, True), "customer_e_mail": False}
    assert (drafted.contract.key, drafted.contract.partition_column) == (("order_no",), "day")
    assert "- name: customer_e_mail  # personal?" in drafted.text
    expected = [(row[0], row[1], row[2] or None, row[3], row[4], row[5]) for row in ROWS]
    found = [tuple(str(v).lower() if isinstance(v, bool) else v if v is None else str(v) for v in row)
             for row in drafted.load([sample])]  # fmt: skip
    assert found == expected


def test_a_zip_archive(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "orders-2024-01-05.zip"
    with zipfile.ZipFile(sample, "w") as archive:
        archive.writestr("a.csv", written(ROWS[:2]))
        archive.writestr("b.csv", written(ROWS[2:]))
    drafted = new(project, sample)
    assert len(drafted.load([sample])) == 4


def test_values_in_many_ways(project: Path, tmp_path: Path) -> None:
    columns: dict[str, tuple[list[str], str]] = {
        "small": (["1", "-2", "3"], "INTEGER"),
        "large": (["1", "3000000000", "-7"], "BIGINT"),
        "larger": (["1", "123456789012345678901234567890", "2"], "VARCHAR"),
        "zip": (["01234", "00501", "99999"], "VARCHAR"),
        "unsure": (["1.5e3", "2", "-0.25"], "DOUBLE"),
        "fine": (["0.123456789012", "1", "2"], "DOUBLE"),
        "german_date": (["24.12.2023", "01.02.2024", "31.01.2024"], "DATE"),
        "british": (["24/12/2023", "01/02/2024", "31/01/2024"], "DATE"),
        "either": (["01/02/2024", "03/04/2024", "05/06/2024"], "DATE"),
        "compact_date": (["20240101", "20240102", "20231231"], "DATE"),
        "compact": (["20240101", "20240102", "20231231"], "INTEGER"),
        "moment": (["2024-01-05 10:00:00", "2024-01-05 11:30:00", "2024-01-06 00:00:01"], "TIMESTAMP"),
        "zoned": (["2024-01-05T10:00:00Z", "2024-01-05T11:30:00Z", "2024-01-06T00:00:01Z"], "TIMESTAMP"),
        "stamp": (["05.01.2024 10:00", "05.01.2024 11:30", "06.01.2024 00:00"], "TIMESTAMP"),
        "clock": (["10:00:00", "11:30:00", "00:00:01"], "TIME"),
        "answer": (["yes", "no", "yes"], "BOOLEAN"),
        "letter": (["n", "n", "n"], "VARCHAR"),
        "price": (["€ 1.50", "€ 12.00", "€ 3.25"], "DECIMAL(9,2)"),
        "gaps": (["N/A", "12", "-"], "INTEGER"),
        "country": (["NA", "DE", "FR"], "VARCHAR"),
        "nothing": (["", "", ""], "VARCHAR"),
    }  # fmt: skip
    rows = [[values[at] for values, _ in columns.values()] for at in range(3)]
    sample = tmp_path / "mixed.csv"
    sample.write_text(written(rows, list(columns)))
    drafted = new(project, sample, **{"date-format": "either=dd/MM/yyyy"})
    assert drafted.types() == {name: type_ for name, (_, type_) in columns.items()}
    assert (drafted.contract.grain, drafted.contract.template.text) == (Grain.SNAPSHOT, "mixed/mixed.csv")
    held = dict(zip(columns, zip(*drafted.load([sample]), strict=True), strict=True))
    assert {str(day) for day in held["german_date"]} == {"2023-12-24", "2024-02-01", "2024-01-31"}
    assert {str(moment) for moment in held["stamp"]} == {
        "2024-01-05 10:00:00", "2024-01-05 11:30:00", "2024-01-06 00:00:00",
    }  # fmt: skip
    assert set(held["gaps"]) == {None, 12}
    assert set(held["country"]) == {"NA", "DE", "FR"}
    assert {str(day) for day in held["either"]} == {"2024-02-01", "2024-04-03", "2024-06-05"}
    assert "physicalType: VARCHAR  # TODO type: empty in all samples" in drafted.text


def test_dates_are_drafted_as_they_are_written(project: Path, tmp_path: Path) -> None:
    """And the day is the one that was written: a draft that loads another is worse than none."""
    columns = {
        "yy-MM-dd": ["99-01-05", "99-12-31", "98-02-03"],
        "dd.MM.yy": ["05.01.99", "31.12.99", "03.02.98"],
        "d.M.yyyy": ["5.1.1999", "31.12.1999", "3.2.1998"],
        "M/d/yyyy": ["1/5/1999", "12/31/1999", "2/3/1998"],
        "dd.MM.yyyy": ["05.01.1999", "31.12.1999", "03.02.1998"],
        "M/d/yyyy h:mm a": ["1/5/1999 1:05 PM", "12/31/1999 12:00 AM", "2/3/1998 10:30 AM"],
        "yyyy/MM/dd HH:mm": ["1999/01/05 13:05", "1999/12/31 00:00", "1998/02/03 10:30"],
        "d MMM yyyy": ["5 Jan 1999", "31 Dec 1999", "3 Feb 1998"],
    }
    sample = tmp_path / "dates.csv"
    sample.write_text(written([list(row) for row in zip(*columns.values(), strict=True)],
                              [f"c{number}" for number in range(len(columns))]))  # fmt: skip
    drafted = new(project, sample)
    said = [line.partition("format: ")[2].strip("\"'") for line in drafted.text.splitlines()
            if line.strip().startswith("format: ") and line.strip() != "format: csv"]  # fmt: skip
    assert said == list(columns)
    days = {tuple(str(value)[:10] for value in row) for row in drafted.load([sample])}
    assert days == {(day,) * len(columns) for day in ("1999-01-05", "1999-12-31", "1998-02-03")}


def test_a_file_without_a_header_or_with_lines_before_it(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "stock-2024-W03.csv"
    sample.write_text("1,12.5,2024-01-16\n2,0.5,2024-01-17\n3,7.25,2024-01-18\n")
    drafted = new(project, sample)
    assert (drafted.contract.grain, drafted.contract.template.text) == (
        Grain.WEEKLY,
        "stock/stock-{week}.csv",
    )
    assert not drafted.contract.reading.header
    assert drafted.types() == {"column_1": "INTEGER", "column_2": "DECIMAL(9,2)", "column_3": "DATE"}
    assert len(drafted.load([sample])) == 3


def test_json_lines_with_keys_that_are_left_out(project: Path, tmp_path: Path) -> None:
    hours = []
    for hour in ("06", "07"):
        sample = tmp_path / "readings" / "2024-01-05" / f"{hour}.jsonl"
        sample.parent.mkdir(parents=True, exist_ok=True)
        lines = [{"at": f"2024-01-05T{hour}:{minute:02}:00", "station": f"s{minute}", "field": minute + 0.5,
                  **({"note": "calm"} if minute else {})} for minute in range(3)]  # fmt: skip
        sample.write_text("".join(json.dumps(line) + "\n" for line in lines))
        hours.append(sample)
    drafted = new(project, *hours)
    assert drafted.contract.template.text == "readings/{date}/{hour}.jsonl"
    assert (drafted.contract.grain, drafted.contract.partition_column) == (Grain.HOURLY, "at_")
    assert drafted.types() == {
        "at_": "TIMESTAMP",
        "station": "VARCHAR",
        "field": "DECIMAL(9,1)",
        "note": "VARCHAR",
    }
    assert drafted.contract.key == ("at_",)
    assert len(drafted.load(hours)) == 6


def test_parquet_keeps_the_types_of_the_file(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sales" / "2024-01"
    folder.mkdir(parents=True)
    parts = [folder / "part-0.parquet", folder / "part-1.parquet"]
    for number, part in enumerate(parts):
        duckdb.execute(
            f"copy (select range + {number} * 10 as id, date '2024-01-01' + range::integer as day,"
            " 1.5::decimal(12,2) as amount, 'x' as note, range::double as score from range(10))"
            f" to '{part}' (format parquet)"
        )
    drafted = new(project, *parts, source="sold")
    assert drafted.contract.template.text == "sold/{year}-{month}/part-*.parquet"
    assert drafted.types() == {
        "id": "BIGINT", "day": "DATE", "amount": "DECIMAL(12,2)", "note": "VARCHAR", "score": "DOUBLE",
    }  # fmt: skip
    assert (drafted.contract.key, drafted.contract.partition_column) == (("id",), "day")
    assert len(drafted.load(parts)) == 20


def test_two_columns_that_are_a_key_together(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "20240105" / "stock.csv"
    sample.parent.mkdir()
    sample.write_text("store,item,left\na,1,3\na,2,3\nb,1,0\nb,2,0\n")
    drafted = new(project, sample)
    assert drafted.contract.template.text == "stock/{year}{month}{day}/stock.csv"
    assert drafted.contract.key == ("store", "item")
    assert drafted.contract.columns[2].name == "left_"  # a word of SQL
    assert len(drafted.load([sample])) == 4


def test_names_are_made_portable_and_their_own(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "Größen Liste.csv"
    sample.write_text("Straße,2nd,%,strasse,Straße!\na,1,2,b,c\nd,3,4,e,f\n")
    drafted = new(project, sample)
    assert drafted.contract.name == "groessen_liste"
    names = [column.name for column in drafted.contract.columns]
    assert names == ["strasse", "c_2nd", "column_3", "strasse_2", "strasse_2_2"]
    assert len(drafted.load([sample])) == 2


def test_a_file_is_not_written_over_without_force(project: Path, tmp_path: Path) -> None:
    sample = tmp_path / "orders.csv"
    sample.write_text("a,b\n1,2\n3,4\n")
    kept = new(project, sample)
    arguments = ["contract", "new", str(sample), "--project", str(project)]
    (project / "contracts" / "orders.odcs.yaml").write_text("mine")
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "there is a file" in refused.output
    assert (project / "contracts" / "orders.odcs.yaml").read_text() == "mine"
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert (project / "contracts" / "orders.odcs.yaml").read_text() == kept.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the sample is empty"),
        (b"a,a\n1,2\n", "column `a` stands at places 1 and 2"),
        (b"#ROSBAG V2.0\n", "no ROS bag, or not closed"),
        (gzip.compress(b"a,b\n1,2\n" * 100, mtime=0)[:-4], "damaged or cut short"),
    ],
)
def test_what_cannot_be_drafted_is_said(project: Path, tmp_path: Path, content: bytes, said: str) -> None:
    sample = tmp_path / "orders.dat"
    sample.write_bytes(content)
    made = CliRunner().invoke(app, ["contract", "new", str(sample), "--project", str(project)])
    assert (made.exit_code, list((project / "contracts").iterdir())) == (2, [])
    assert "orders.dat" in made.output
    assert said in made.output


@pytest.mark.sampled(2)
@pytest.mark.feeds
@pytest.mark.skipif(not FEEDS, reason="no real feeds: set SLUICE_TEST_FEEDS to their folder")
@pytest.mark.parametrize(
    ("pattern", "template", "key"),
    [
        ("stores.csv.gz", "stores/stores.csv.gz", ("store",)),
        ("products.csv.gz", "products/products.csv.gz", ("item_number",)),
        ("sales/2022-10-0*.csv.gz", "sales/{date}.csv.gz", ("invoice_item_number",)),
        ("inventory/2022-10-0*.csv.gz", "inventory/{date}.csv.gz", ("date", "store_number", "item_number")),
    ],
)
@pytest.mark.long
def test_real_feeds(project: Path, pattern: str, template: str, key: tuple[str, ...]) -> None:
    samples = sorted(Path(FEEDS).glob(pattern))
    drafted = new(project, *samples)
    assert (drafted.contract.template.text, drafted.contract.key) == (template, key)
    rows = drafted.load(samples)
    listed = duckdb.execute(
        "select count(*) from read_csv($1, all_varchar = true)", [[str(sample) for sample in samples]]
    ).fetchone()
    assert listed == (len(rows),)
