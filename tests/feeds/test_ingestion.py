"""Every real feed as it was published, through its contract; and a real drop made bad in ten ways.

Belongs here: what only real files can show of ingestion. Does not: the graph behind it (`test_iowa`).
"""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import yaml
from sluicegate.contracts.load import load_contracts
from sluicegate.contracts.model import SourceContract
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.demo.generate import CONTACTS_HEADER
from sluicegate.ingestion.load import Loaded, load_drop
from sluicegate.ingestion.refusal import DropRefused
from sluicegate.ingestion.staging import register_landed
from sluicegate.state.deployment import Deployment

from tests.sampled import part_of
from tests.warehouse.bare import bare

FEEDS = Path(os.environ.get("SLUICE_TEST_FEEDS", "."))
pytestmark = [
    pytest.mark.feeds,
    pytest.mark.long,
    pytest.mark.skipif(
        "SLUICE_TEST_FEEDS" not in os.environ, reason="no real feeds: set SLUICE_TEST_FEEDS to their folder"
    ),
]
DAY = "2022-10-05"
Lines = list[str]


@dataclass
class Marketplace:
    """The demo company's contracts, with a limit of their own for sales."""

    deployment: Deployment
    sources: dict[str, SourceContract]

    def load(self, source: str, key: str, content: bytes) -> Loaded:
        contract = self.sources[source]
        staging = self.deployment.staging_of(contract)
        marker = contract.completion.template
        assert marker is not None
        staging.remove(marker.of(key))
        staging.write(contract.template.of(key), [content])
        staging.write(marker.of(key), [])
        register_landed(contract, staging, self.deployment.store)
        return load_drop(self.deployment, contract, self.deployment.store.drops.latest(source, [key])[key])

    def query(self, text: str) -> list[tuple[object, ...]]:
        with bare(self.deployment.warehouse) as connection:
            return connection.execute(text).fetchall()


def marketplace(folder: Path, limit: dict[str, int] | None = None) -> Marketplace:
    """Return the company in a folder, `limit` on what of sales may be quarantined."""
    project = folder / "project"
    shutil.copytree(REPOSITORY / "contracts", project / "contracts")
    if limit is not None:
        file = project / "contracts" / "sales.odcs.yaml"
        said = yaml.safe_load(file.read_text())
        said["customProperties"].append({"property": "quarantineLimit", "value": limit})
        file.write_text(yaml.safe_dump(said))
    contracts, problems = load_contracts(project)
    assert not problems
    return Marketplace(
        Deployment(Settings.load({}, project_dir=project, data_dir=folder / "data")), contracts
    )


def published() -> Iterator[tuple[str, str, Path]]:
    """Yield (source, partition key, file) of what was published: of the days one in four, drawn."""
    for source in ("stores", "products"):
        yield source, "snapshot", FEEDS / f"{source}.csv.gz"
    for source in ("sales", "inventory"):
        for file in part_of(source, sorted((FEEDS / source).glob("*.csv.gz")), one_in=4):
            yield source, file.name.removesuffix(".csv.gz"), file


def test_every_feed_is_taken_in_as_it_was_published(tmp_path: Path) -> None:
    company = marketplace(tmp_path)
    taken: dict[str, list[str]] = {}
    for source, key, file in published():
        loaded = company.load(source, key, file.read_bytes())
        assert (loaded.read, loaded.quarantined) == (loaded.rows, 0)
        # People are the demo company's alone: nobody publishes them.
        lost = CONTACTS_HEADER if source == "stores" else ()
        assert loaded.warnings == tuple(f"column `{name}` is missing: NULL in every row" for name in lost)
        taken.setdefault(source, []).append(str(file))
    for source, files in taken.items():
        contract = company.sources[source]
        with bare(company.deployment.warehouse) as connection:
            published_columns = [
                column for column in contract.columns if column.header not in CONTACTS_HEADER
            ]
            columns = ", ".join(f'"{column.header}" as {column.name}' for column in published_columns)
            read = f"read_csv({files}, all_varchar = true, header = true, delim = ',', quote = '\"')"
            connection.execute(f"create temp table published as select {columns} from {read}")
            typed = ", ".join(f"cast({c.name} as {c.type}) as {c.name}" for c in published_columns)
            own = ", ".join(column.name for column in published_columns)
            difference = connection.execute(
                f"select count(*) from ("
                f"(select {own} from raw.{source} except all select {typed} from published) union all"
                f" (select {typed} from published except all select {own} from raw.{source}))"
            ).fetchone()
        assert difference == (0,), source


def replaced(number: int, old: str, new: str) -> Callable[[Lines], Lines]:
    """Return what replaces a text in a line, counted from 1."""

    def edit(lines: Lines) -> Lines:
        assert old in lines[number - 1]
        return [line.replace(old, new, 1) if n == number else line for n, line in enumerate(lines, 1)]

    return edit


def field(number: int, place: int, value: str) -> Callable[[Lines], Lines]:
    """Return what sets a field of a line."""

    def edit(lines: Lines) -> Lines:
        values = lines[number - 1].split(",")
        values[place] = value
        return [*lines[: number - 1], ",".join(values), *lines[number:]]

    return edit


WAYS: dict[str, tuple[Callable[[Lines], Lines], tuple[tuple[int, str], ...]]] = {
    "a number with decimals": (field(7, 4, "1.5"), ((7, "column `Bottles Sold` does not hold INTEGER"),)),
    "a decimal comma": (
        field(9, 5, '"166,08"'), ((9, "column `Sale (Dollars)` does not hold DECIMAL(12,2)"),),
    ),
    "another date format": (field(3, 1, "10/05/2022"), ((3, "column `Date` does not hold DATE"),)),
    "a line of the day before": (field(4, 1, "2022-10-04"), ((4, f"column `Date` is not in {DAY}"),)),
    "no store": (field(5, 2, ""), ((5, "column `Store Number` is empty"),)),
    "an item number that is none": (
        field(6, 3, "12-34"), ((6, "column `Item Number` does not match ^[0-9]{3,7}$"),),
    ),
    "a line twice": (
        lambda lines: [*lines, lines[1]],
        ((2, "key (invoice_item_number) stands twice"), (-1, "key (invoice_item_number) stands twice")),
    ),
    "a line that was cut": (lambda lines: [*lines[:7], lines[7][:20], *lines[8:]], ((8, "too few columns"),)),
    "the header again": (lambda lines: [*lines, lines[0]], ((-1, "the header line once more"),)),
    "a column too many in a line": (replaced(2, ",", ",,"), ((2, "too many columns"),)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.sampled(5)
def test_a_real_drop_made_bad(tmp_path: Path, way: str) -> None:
    """Refused whole with the place told, or quarantined row by row: as the contract says."""
    edit, expected = WAYS[way]
    lines = gzip.decompress((FEEDS / "sales" / f"{DAY}.csv.gz").read_bytes()).decode().splitlines()
    bad = edit(lines)
    content = gzip.compress(("\n".join(bad) + "\n").encode(), mtime=0)
    places = [(line if line > 0 else len(bad), rule) for line, rule in expected]

    strict = marketplace(tmp_path / "strict")
    whole = strict.load("sales", DAY, (FEEDS / "sales" / f"{DAY}.csv.gz").read_bytes())
    with pytest.raises(DropRefused) as caught:
        strict.load("sales", DAY, content)
    for line, rule in places:
        assert any(said.startswith(f"line {line}: ") and rule in said for said in caught.value.rules)
    assert strict.query("select count(*) from raw.sales") == [(whole.rows,)]

    lenient = marketplace(tmp_path / "lenient", {"rows": 5})
    loaded = lenient.load("sales", DAY, content)
    assert (loaded.read, loaded.quarantined) == (len(bad) - 1, len(places))
    assert lenient.query("select line, rule from quarantine.sales order by line") == sorted(places)
    with duckdb.connect() as engine:
        kept = engine.execute("select count(*) from read_parquet(?)", [
            next(str(path) for path in (tmp_path / "lenient" / "data" / "processing").rglob("*.parquet"))
        ]).fetchone()  # fmt: skip
    assert kept == (loaded.rows,)


@pytest.mark.parametrize(
    ("way", "rule"),
    [("cut short", "damaged or cut short"), ("renamed", "`Bottles` stands in the file: renamed?")],
)
def test_a_real_drop_that_cannot_be_read_at_all(tmp_path: Path, way: str, rule: str) -> None:
    company = marketplace(tmp_path, {"rows": 5})
    content = (FEEDS / "sales" / f"{DAY}.csv.gz").read_bytes()
    if way == "cut short":
        content = content[:-100]
    else:
        content = gzip.compress(gzip.decompress(content).replace(b"Bottles Sold", b"Bottles", 1), mtime=0)
    with pytest.raises(DropRefused, match=rule):
        company.load("sales", DAY, content)
