"""What is published is what the gate lets through, and nothing else."""

from pathlib import Path

from tests.company import Company
from tests.publishing.shelves import delta_engine, newest, publishing, rows


def test_first(open_bakery: Company, tmp_path: Path) -> None:
    work = publishing(open_bakery, tmp_path / "shelf")
    done = work.publish()
    print(done)
    catalogue = newest(work.shelf)
    engine = delta_engine()
    with open_bakery.deployment.warehouse.session() as session:
        for relation, table in catalogue.tables.items():
            names = ", ".join(table.columns)
            assert rows(work.shelf, table, engine) == session.query(
                f"select {names} from {relation} order by all"
            )
    assert work.publish().catalogue == ""
    assert set(catalogue.tables) == set(open_bakery.project.lineage.tables)
