"""Tables that come with the project: a change of their file, or of how it is read, is an event like a drop.

dbt's own checksum of a file over 1 MiB is its path.
"""

import os
from pathlib import Path

import duckdb
import pytest

from tests.company import Company, runs
from tests.gate.edits import Edit, append, both, replace, write
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
DBT = "dbt_project/dbt_project.yml"
SEED, YAML = "dbt_project/seeds/towns.csv", "dbt_project/seeds/_seeds.yml"
MIB = 1024 * 1024
_CONFIG = """
seeds:
  bakery:
    +schema: reference
    +post-hook: '{{ record_table_version() }}'
    +delimiter: ','
"""
# It reads the seed, and nothing that lands.
_MART = (
    "{{ config(materialized='table') }}\nselect town, people from {{ ref('towns') }} where town is not null\n"
)


def seed_of(people: str, size: int) -> str:
    """Return a seed of so many bytes: a town, its people, and what fills the file."""
    text, line = f"town,people,filling\nUlm,{people},\n", f",,{'x' * 99_000}\n"
    whole, left = divmod(size - len(text), len(line))
    return text + line * whole + (f",,{'x' * (left - 3)}\n" if left else "")


def with_seed(company: Company, size: int) -> Company:
    own = company.with_own_project()
    for edit in (
        append(DBT, _CONFIG),
        write(SEED, seed_of("1", size)),
        write(YAML, "seeds: [{name: towns}]\n"),
    ):
        edit(own.settings.project_dir)
    (own.settings.project_dir / "dbt_project/models/marts/town_people.sql").write_text(_MART)
    return own.read_anew()


def kept_time(name: str, edit: Edit) -> Edit:
    """Edit a file, and set its time of modification back."""

    def change(folder: Path) -> None:
        before = (folder / name).stat()
        edit(folder)
        after = (folder / name).stat()
        os.utime(folder / name, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert after.st_size == before.st_size

    return change


def people(company: Company) -> tuple[list[tuple[object, ...]], str]:
    """Return what the mart holds, and the type of the column that tells it."""
    with duckdb.connect(str(company.settings.warehouse_path)) as connection:
        rows = connection.execute("select town, people from marts.town_people").fetchall()
        [kind] = connection.execute("select typeof(people) from reference.towns limit 1").fetchall()
    return rows, str(kind[0])


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB])
@pytest.mark.sampled(3)
def test_a_seed_that_changes_is_built_anew_with_what_reads_it(bakery: Company, size: int) -> None:
    company = with_seed(bakery, size)
    assert runs(company.run()) == [("", True)]
    assert people(company)[0] == [("Ulm", 1)]
    assert company.run() == []
    kept_time(SEED, write(SEED, seed_of("2", size)))(company.settings.project_dir)
    company = company.read_anew()
    assert runs(company.run()) == [("", True)]
    assert people(company)[0] == [("Ulm", 2)]
    assert company.run() == []


TYPED = "seeds: [{name: towns, config: {column_types: {people: varchar}}}]\n"
CHANGES: dict[str, tuple[Edit, tuple[list[tuple[object, ...]], str]]] = {
    "another type of a column": (write(YAML, TYPED), ([("Ulm", "1")], "VARCHAR")),
    "a column more": (
        write(SEED, seed_of("4", MIB + 1).replace("\n", ",\n").replace("filling,", "filling,more", 1)),
        ([("Ulm", 4)], "INTEGER"),
    ),
    "another delimiter": (
        both(
            replace(DBT, "+delimiter: ','", "+delimiter: ';'"),
            write(SEED, seed_of("3", MIB + 1).replace(",", ";")),
        ),
        ([("Ulm", 3)], "INTEGER"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.sampled(2)
def test_how_a_large_seed_is_read_is_part_of_it(bakery: Company, change: str) -> None:
    company = with_seed(bakery, MIB + 1)
    assert runs(company.run()) == [("", True)]
    edit, expected = CHANGES[change]
    edit(company.settings.project_dir)
    company = company.read_anew()
    assert runs(company.run()) == [("", True)]
    assert people(company) == expected


def test_a_large_seed_in_another_folder_is_the_same_seed(bakery: Company) -> None:
    company = with_seed(bakery, MIB + 1)
    assert runs(company.run()) == [("", True)]
    folder = company.settings.project_dir / "dbt_project/seeds"
    (folder / "geography").mkdir()
    (folder / "towns.csv").rename(folder / "geography/towns.csv")
    company = company.read_anew()
    assert company.run() == []
    report = sluice(company, "table", "outdated")
    assert report[0] == 0, report
