"""Feeds whose day stands in the names of their files alone: from files to a model that has it."""

from pathlib import Path

import duckdb
import pytest

from tests.company import Company
from tests.drafts import TOLD, empty_project, finish

# Of a grain: the names of two files, the draft's path, and the partition's start in each row.
FEEDS = {
    "daily": (("sales_2024-03-08.csv", "sales_2024-03-09.csv"), "sales/sales_{date}.csv",
              ("2024-03-08", "2024-03-09")),
    "compact": (("stock_20240308.csv", "stock_20240309.csv"), "stock/stock_{year}{month}{day}.csv",
                ("2024-03-08", "2024-03-09")),
    "day_first": (("bills_08-03-2024.csv", "bills_13-03-2024.csv"), "bills/bills_{day}-{month}-{year}.csv",
                  ("2024-03-08", "2024-03-13")),
    "weekly": (("plan_2024_W10.csv", "plan_2024_W11.csv"), "plan/plan_{week_year}_W{week_number}.csv",
               ("2024-03-04", "2024-03-11")),
    "monthly": (("rent_2024-03.csv", "rent_2024-04.csv"), "rent/rent_{year}-{month}.csv",
                ("2024-03-01", "2024-04-01")),
    "hourly": (("clicks_2024-03-08_05.csv", "clicks_2024-03-08_06.csv"), "clicks/clicks_{date}_{hour}.csv",
               ("2024-03-08 05:00:00", "2024-03-08 06:00:00")),
}  # fmt: skip


@pytest.fixture
def shop(tmp_path: Path) -> Company:
    """A project without a source, a model or an export."""
    return empty_project(tmp_path)


def drafted(shop: Company, samples: list[Path], *more: str) -> tuple[str, str]:
    """Draft and finish a contract; return its text, and the line that the draft gives to a model."""
    code, said, complained = shop.sluice("contract", "new", *map(str, samples), *TOLD, *more)
    assert code == 0, complained
    path = Path(said.splitlines()[0])
    text = path.read_text()
    finish(path)
    (line,) = (line for line in text.splitlines() if "{{ landed_" in line)
    return text, line.strip().removeprefix("#").strip()


def test_the_day_of_a_file_is_a_column_of_a_model_at_every_grain(shop: Company, tmp_path: Path) -> None:
    project = shop.settings.project_dir
    landed: dict[str, list[Path]] = {}
    for names, template, _ in FEEDS.values():
        source = template.partition("/")[0]
        samples = [tmp_path / name for name in names]
        for number, sample in enumerate(samples):
            sample.write_text(f"item,amount\nA,{number}\nB,{number}\n")
        landed[source] = samples
        text, line = drafted(shop, samples)
        assert f"path: {template}" in text or f"path: '{template}'" in text
        column, macro = line.rpartition(" ")[2], line.split()[1].removesuffix("()")
        config = f"{{{{ config(partition_by='{column}') }}}}\n"
        (project / f"dbt_project/models/staging/stg_{source}.sql").write_text(
            f"{config}select {line}, item, amount\nfrom {{{{ source('raw', '{source}') }}}} as feed\n"
            f"where {{{{ in_partition({macro}('feed')) }}}}\n"
        )
        (project / f"dbt_project/models/staging/_{source}.yml").write_text(
            f"models:\n  - name: stg_{source}\n    description: A feed.\n"
        )
    assert shop.sluice("contract", "sources")[0] == 0
    code, said, complained = shop.sluice("check")
    assert code == 0, complained
    for source, samples in landed.items():
        assert shop.sluice("land", source, *map(str, samples))[0] == 0
    code, said, complained = shop.sluice("run")
    assert code == 0, said + complained
    with duckdb.connect(str(shop.settings.warehouse_path), read_only=True) as warehouse:
        for _, template, starts in FEEDS.values():
            source = template.partition("/")[0]
            column = "landed_at" if len(starts[0]) > 10 else "landed_on"
            rows = warehouse.execute(
                f"select {column}::varchar, amount from staging.stg_{source} order by all"
            ).fetchall()
            assert rows == [(start, number) for number, start in enumerate(starts) for _ in "AB"]
