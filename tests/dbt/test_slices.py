"""What `ref()` and `source()` give: the macros, their Python side, and the lineage say the same.

Belongs here: every grain that reads every grain. Does not: what a model makes of its rows.
"""

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import duckdb
import pytest
from sluicegate.core.lineage import Lineage, Table
from sluicegate.core.partitions import Grain, Partitioning
from sluicegate.core.relations import Relation
from sluicegate.transformation.runner import DbtProcess
from sluicegate.transformation.slices import Cut, Cuts, partition_variables, slice_condition

from tests.observatory import open_observatory

MOMENT = datetime(2024, 2, 26, 23, tzinfo=UTC)  # a Monday, in a week that ends in March
TIMED = [grain for grain in Grain if grain.timed]


@pytest.mark.parametrize("days", [1, 2, 28])
@pytest.mark.parametrize(("reader", "read"), product(TIMED, TIMED))
@pytest.mark.sampled(8)
def test_a_slice_is_what_the_lineage_says_is_read(reader: Grain, read: Grain, days: int) -> None:
    """Rows of the partitions on record and of no other, whether the column holds moments or keys."""
    child, parent = Partitioning(reader), Partitioning(read)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    above = Table(Relation("raw", "parent"), ("raw", "parent"), parent, parents={}, rules={}, start=start)
    below = Table(
        Relation("marts", "child"), ("marts", "child"), child, parents={"raw.parent": days}, rules={}
    )
    lineage = Lineage([above, below])
    key = child.key_at(MOMENT)
    on_record = {item.partition_key for item in lineage.reads("marts.child", key)}
    around = list(parent.overlapping(MOMENT - timedelta(days=100), MOMENT + timedelta(days=100)))
    with duckdb.connect() as connection:
        connection.execute("create table rows (key varchar, began timestamp)")
        rows = [(name, parent.interval(name)[0].replace(tzinfo=None)) for name in around]
        connection.executemany("insert into rows values (?, ?)", rows)
        for cut in (Cut("began", read), Cut("key", read, of_source=True)):
            condition = slice_condition(cut, child, key, days)
            found = connection.execute(f"select key from rows where {condition}").fetchall()
            assert {name for (name,) in found} == on_record, condition


def test_a_drop_reads_its_own_rows() -> None:
    drops = Partitioning(Grain.DROP, "recordings")
    assert slice_condition(Cut("recording", Grain.DROP), drops, "r-1") == "recording = 'r-1'"


def test_compiled_sql_has_the_slice_of_each_parent_that_is_cut(tmp_path: Path) -> None:
    """In the observatory there is a model of each grain, and of two."""
    with open_observatory(tmp_path) as company:
        project = company.project
        dbt, cuts = DbtProcess(company.settings), Cuts(project.manifest.content)
        seen: set[tuple[Grain, Grain]] = set()
        for node in project.manifest.nodes.values():
            how = project.lineage.tables[node.relation].partitioning
            key = how.key_at(MOMENT) if how.grain.timed else "r-1" if how.partitioned else ""
            compiled = dbt.compiled(node.selector, partition_variables(how, key))
            for parent in node.parents:
                relation = str(project.manifest.relation(parent))
                schema, _, name = relation.partition(".")
                whole = f'"{company.settings.warehouse_path.stem}"."{schema}"."{name}"'
                cut = cuts.of(parent)
                assert (cut.grain if cut else Grain.SNAPSHOT) == project.lineage.tables[
                    relation
                ].partitioning.grain
                if cut is None:
                    assert whole in compiled
                else:
                    days = node.trailing_days.get(name, 1)
                    assert f"(select * from {whole} where {slice_condition(cut, how, key, days)})" in compiled
                    seen.add((how.grain, cut.grain))
        assert {child for child, _ in seen} == {*Grain} - {Grain.SNAPSHOT}
        assert any(child != parent for child, parent in seen)
