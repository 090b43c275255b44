"""What is published is what the gate lets through, and nothing else, whatever happened before.

Belongs here: tables, catalogues and the gate. Does not: types (`test_types`), kills and races (`test_kills`).
"""

from pathlib import Path

from sluicegate.core.environments import place_digest
from sluicegate.core.settings import Settings
from sluicegate.project.environments_file import OPEN
from sluicegate.publishing.leases import all_leases, take_lease
from sluicegate.publishing.publish import Publishing

from tests.company import MON, TUE, Company
from tests.publishing.shelves import delta_engine, newest, publishing, rows

MASKED_AS_IT_IS = """\
customProperties:
  - {property: partitionGrain, value: snapshot}
  - {property: owner, value: ovens@bakery.example}
  - {property: provider, value: tills@bakery.example}
  - {property: masking, value: {restricted: keep}}
"""


def let_through(company: Company) -> dict[tuple[str, str], tuple[str, list[tuple[object, ...]]]]:
    """Return {(table, day): (version, rows)} of what the gate lets through, asked one by one."""
    found: dict[tuple[str, str], tuple[str, list[tuple[object, ...]]]] = {}
    with company.deployment.warehouse.session() as session, session.snapshot():
        for relation, table in company.project.lineage.tables.items():
            for key, version in session.written(relation):
                if company.site.gate.report(session, relation, key).validated:
                    column = f"cast({table.cut_by} as varchar)" if table.cut_by else "''"
                    told = session.query(f"select * from {relation} where {column} = '{key}' order by all")
                    found[relation, key] = version, told
    return found


def published(work: Publishing) -> dict[tuple[str, str], tuple[str, list[tuple[object, ...]]]]:
    """Return the same of the newest catalogue, read by the engine's `delta_scan`."""
    engine, tables = delta_engine(), newest(work.shelf).tables
    return {
        (relation, key): (item.version, rows(work.shelf, table, engine, key))
        for relation, table in tables.items()
        for key, item in table.partitions.items()
    }


def _holding(folder: Path, value: bytes) -> list[Path]:
    """Return the files below a folder that hold a value; Parquet has short texts as they are."""
    return [path for path in folder.rglob("*") if path.is_file() and value in path.read_bytes()]


def with_shelf(company: Company, folder: Path) -> Company:
    """Return the same deployment with a shelf."""
    settings: Settings = company.settings.model_copy(update={"published_url": str(folder)})
    return company.__class__(settings, company.postgres_url, company.container, company.clock)


def test_all_that_is_validated_is_published_with_what_it_is_made_of(
    open_bakery: Company, tmp_path: Path
) -> None:
    work = publishing(open_bakery, tmp_path / "shelf")
    done = work.publish()
    assert published(work) == let_through(open_bakery)
    assert {relation for relation, _ in done.put} == set(open_bakery.project.lineage.tables)
    catalogue, identity = newest(work.shelf), open_bakery.deployment.identity
    assert (catalogue.deployment, catalogue.epoch) == (identity.id, identity.epoch)
    assert catalogue.project == open_bakery.project.identity.digest
    # One of Postgres, and those of a directory, which has more names than its path.
    assert place_digest(f"file://{open_bakery.container.resolve()}/weather") in catalogue.places
    assert len(catalogue.places) > 2
    [orders] = catalogue.tables["marts.shop_orders"].partitions.values()
    [build] = open_bakery.deployment.store.builds_of([("marts.shop_orders", MON)])
    assert (orders.build, orders.rows) == (build, 2)
    assert {item.check: item.passed for item in orders.evidence} == dict.fromkeys(
        open_bakery.project.lineage.tables["marts.shop_orders"].rules, True
    )
    assert work.publish().catalogue == ""  # nothing has changed
    # A command beside the daemon, without its connections, does not give production's places away.
    without = open_bakery.settings.model_copy(update={"connections": {}})
    bare = open_bakery.__class__(without, open_bakery.postgres_url, open_bakery.container, open_bakery.clock)
    assert publishing(bare, tmp_path / "shelf").publish().catalogue == ""


def settled(company: Company, work: Publishing) -> None:
    """Nothing is on the shelf that is not validated; and all that is, once there was time enough."""
    validated = let_through(company)
    assert published(work).keys() <= validated.keys()
    work.publish(since=True)
    assert published(work) == validated


def test_a_run_publishes_what_it_has_touched(open_bakery: Company, tmp_path: Path) -> None:
    company = with_shelf(open_bakery, tmp_path / "shelf")
    work = publishing(company, tmp_path / "shelf")
    work.publish()
    before = dict(newest(work.shelf).tables)
    company.land_day(TUE, a=1, b=2)
    company.run()
    settled(company, work)
    after = newest(work.shelf).tables
    assert TUE in after["marts.shop_orders"].partitions
    assert after["raw.shops"] == before["raw.shops"]  # which no run has touched
    company.land_orders(TUE, a=1, b=-2)  # which the suite refuses
    company.run()
    settled(company, work)
    assert TUE not in newest(work.shelf).tables["marts.shop_orders"].partitions
    company.land_orders(TUE, a=5, b=2)
    company.run()
    settled(company, work)
    assert 8 in {row[3] for row in published(work)["marts.shop_orders", TUE][1]}
    # Each of these runs has changed one partition, in one commit.
    assert [table.at for table in newest(work.shelf).tables.values() if table.at > 5] == []


def test_columns_of_a_class_are_left_out_wherever_they_come(bakery: Company, tmp_path: Path) -> None:
    """Also when the class comes later: then what shows the column goes at once, time or not."""
    company = with_shelf(bakery.with_own_project(), tmp_path / "shelf")
    company.land_shops("a:SECRET1", "b:SECRET2")
    company.land_day(MON, a=3, b=4)
    company.run()
    work = publishing(company, tmp_path / "shelf")
    work.publish()
    first = newest(work.shelf)
    mine = take_lease(work.shelf.area, "ada", first.name, "ada@desk", 30)
    assert _holding(tmp_path / "shelf", b"SECRET")

    contract = next((company.settings.project_dir / "contracts").glob("shops*"))
    text = contract.read_text()
    text, sla = text.partition("customProperties:")[0], text[text.index("slaProperties:") :]
    assert "- name: town\n" in text
    classified = text.replace("- name: town\n", "- name: town\n        classification: restricted\n")
    contract.write_text(f"{classified}{MASKED_AS_IT_IS}{sla}")
    assert company.sluice("contract", "sources")[0] == 0
    company = with_shelf(company.read_anew(), tmp_path / "shelf")
    work = publishing(company, tmp_path / "shelf")
    work.publish(since=True, seconds=0)
    assert _holding(tmp_path / "shelf", b"SECRET") == []
    [ended] = all_leases(work.shelf.area)
    assert (ended.id, "of a class" in ended.ended) == (mine.id, True)
    work.publish()
    tables = newest(work.shelf).tables
    left_out = {relation: dict(table.left_out) for relation, table in tables.items() if table.left_out}
    assert left_out["raw.shops"] == {"town": "restricted"}
    assert work.shelf.names()[0] > first.name
    assert left_out["marts.shop_orders"]["town"] == "restricted"
    assert newest(work.shelf).classified["marts.shop_orders"] == ("town",)
    engine = delta_engine()
    for relation, columns in left_out.items():
        path = work.shelf.scan_path(tables[relation].location)
        there = {row[0] for row in engine.execute(f"describe select * from delta_scan('{path}')").fetchall()}
        assert there == {*tables[relation].columns, tables[relation].key_column} - {""}
        assert not there & columns.keys()
    # Whoever may see the class gets the table written anew, whole; and back.
    for allowed in (("restricted",), ()):
        other = publishing(company, tmp_path / "shelf", (*OPEN, *allowed))
        assert other.publish().put
        assert ("town" in newest(other.shelf).tables["raw.shops"].columns) == bool(allowed)
        assert other.publish().put == []


def test_a_number_that_is_too_wide_holds_no_table_up(bakery: Company, tmp_path: Path) -> None:
    """The engine's error ends its transaction; a number of more than 38 digits is written all the same."""
    company = bakery.with_own_project()
    staging = company.settings.project_dir / "dbt_project/models/staging"
    wide = "170141183460469231731687303715884105727::hugeint as odd"
    model = staging / "stg_orders.sql"
    model.write_text(model.read_text().replace("\nfrom", f",\n    {wide}\nfrom", 1))
    company = with_shelf(company.read_anew(), tmp_path / "shelf")
    company.land_shops("a", "b")
    company.land_day(MON, a=3, b=4)
    company.run()
    work, validated = publishing(company, tmp_path / "shelf"), let_through(company)
    assert work.publish(seconds=0).refused == {}
    work.publish(since=True)
    assert published(work) == validated
    assert newest(work.shelf).tables["staging.stg_orders"].stored["odd"] == "VARCHAR"
