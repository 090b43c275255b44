"""An environment shows what production has published, builds what means something else, and ends.

Belongs here: one environment, by its commands. Does not belong here: what changes a meaning (`test_meaning`),
random histories (`test_histories`).
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.compute.object_storage import extension_path
from orchestration.core.relations import Relation
from orchestration.definitions import defs
from orchestration.environments import making
from orchestration.environments.changes import building
from orchestration.environments.record import Made, NotUsable
from orchestration.environments.sweeping import drop
from orchestration.environments.views import view_of
from orchestration.gate.gate import Verdict
from orchestration.operations.publishing import publish_tables
from orchestration.publishing.catalogue import PublishedTable
from orchestration.publishing.leases import all_leases
from orchestration.publishing.shelf import Shelf
from tests.company import FRI, THU, WED, Company, finished, orders
from tests.environments.conftest import Desk
from tests.stages.workshop import TODAY, one_model, open_workshop

pytestmark = pytest.mark.long
STG_ORDERS = "dbt_project/models/staging/stg_orders.sql"
TWICE = ("    loaves\n", "    loaves * 2 as loaves\n")


def rows(company: Company, query: str) -> list[tuple[object, ...]]:
    """Return rows of a deployment's warehouse."""
    with company.deployment.warehouse.session() as session:
        return session.query(query)


def kinds(company: Company) -> dict[str, str]:
    """Return {table: `VIEW` or `BASE TABLE`}."""
    found = rows(
        company,
        "select table_schema || '.' || table_name, table_type from information_schema.tables"
        " where table_schema not in ('sluice', 'quarantine')",
    )
    return {str(name): str(kind) for name, kind in found}


def files_of(company: Company) -> dict[Path, bytes]:
    """Return all files of a deployment, but for what its shelf says of environments."""
    found = (path for path in company.settings.data_dir.parent.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in found if path.parent.name != "leases"}


def test_all_is_there_as_it_was_validated_and_the_gate_is_open(desk: Desk) -> None:
    """Each view has the rows of the asked days, and what is read for them; nothing is to be built."""
    production, ada = desk.company, desk.environment()

    code, said = desk.sluice("env", "new", "ada", "--days", "2")

    assert (code, "2024-01-04 to 2024-01-05" in said) == (0, True)
    assert set(kinds(ada).values()) == {"VIEW"}
    assert kinds(ada).keys() == production.project.lineage.tables.keys()
    for relation, table in production.project.lineage.tables.items():
        # The orders are read by a window of three days: an earlier one comes with them.
        first = WED if relation in ("raw.orders", "staging.stg_orders") else THU
        where = f" where \"{table.cut_by}\"::varchar >= '{first}'" if table.cut_by else ""
        query = f"select * from {relation}{{}} order by all"
        assert rows(ada, query.format("")) == rows(production, query.format(where)), relation
    assert all(ada.site.gate_report(name, FRI).open for name in ada.project.exports)
    assert desk.sluice("env", "build", "--name", "ada")[1].startswith("nothing has changed")


@pytest.mark.parametrize(
    ("types", "shown"),
    [
        (
            {"a": "DATE", "secret": "VARCHAR", "b": "BIGINT"},
            ["a DATE", "secret VARCHAR", "b INTEGER", "old BOOLEAN"],
        ),
        ({"B": "BIGINT", "A": "DATE"}, ["b INTEGER", "a DATE", "old BOOLEAN"]),
        ({}, ["a DATE", "b INTEGER", "old BOOLEAN"]),
    ],
)
@pytest.mark.parametrize("keys", [["1"], []])
def test_columns_are_in_the_projects_order(
    published_bakery: Company, types: dict[str, str], shown: list[str], keys: list[str]
) -> None:
    """Also where some are not published: `select *` and `union all` mean what they mean in production."""
    columns = {"a": "DATE", "b": "INTEGER", "old": "BOOLEAN"}
    published = PublishedTable("raw.x", "", 0, columns, {}, "", {}, columns)
    with published_bakery.deployment.warehouse.session() as session:
        query = view_of(session, published, "", keys, types)
        rows = "(select null::date as a, 1 as b, true as old)"
        found = session.describe(query.replace(session.published("", 0), rows))
    assert [f"{name} {kind}" for name, kind in found.items()] == shown


def test_what_means_something_else_is_built_with_all_that_is_made_of_it(desk: Desk) -> None:
    """A comment is nothing. A change is said, then built for its days, after a kill as well; no more is."""
    ada = desk.environment()
    before = rows(desk.company, "select * from marts.shop_orders order by all")
    desk.sluice("env", "new", "ada", "--days", "2")

    desk.edit(STG_ORDERS, ("select\n", "-- what was ordered\nselect\n"))
    assert "nothing has changed" in desk.sluice("env", "build", "--name", "ada")[1]
    assert desk.environment().site.gate_report("exp_shop_orders", FRI).open

    desk.edit(STG_ORDERS, TWICE)
    said = desk.sluice("env", "build", "--name", "ada", "--dry-run")[1]
    assert "1 table has changed (staging.stg_orders), 2 more are made of that; 2 days" in said
    assert "7 builds" in said
    assert "marts.shop_orders reads 3 days of staging.stg_orders" in said
    assert "1 earlier partition comes with it" in said
    assert set(kinds(ada).values()) == {"VIEW"}

    # Killed when all of it is taken out and nothing is built: the next one knows.
    killed, made = desk.environment(), Made.read(ada.settings.data_dir)
    assert made is not None
    building(killed.site, made).begin()
    assert "marts.shop_orders" not in kinds(ada)

    code, said = desk.sluice("env", "build", "--name", "ada")

    assert (code, "7 builds" in said) == (0, True), said
    built = {name for name, kind in kinds(ada).items() if kind != "VIEW"}
    assert built == {"staging.stg_orders", "marts.shop_orders", "exports.exp_shop_orders"}
    twice = "select business_date, shop, town, loaves * 2, rain_mm from marts.shop_orders"
    since = f" where business_date >= '{THU}' order by all"
    assert rows(ada, "select * from marts.shop_orders order by all") == rows(desk.company, twice + since)
    assert rows(desk.company, "select * from marts.shop_orders order by all") == before
    ada = desk.environment()
    assert all(ada.site.gate_report(name, day).open for name in ada.project.exports for day in (THU, FRI))
    assert "nothing has changed" in desk.sluice("env", "build", "--name", "ada")[1]
    assert (
        "built here: exports.exp_shop_orders, marts.shop_orders, staging.stg_orders"
        in (desk.sluice("env", "show", "ada")[1])
    )


def test_work_is_built_until_its_time_is_over(desk: Desk) -> None:
    """Production has none of it; a branch's is built, and what has ended is left out and named."""
    project = desk.company.settings.project_dir
    open_workshop(project)
    one_model(project)
    desk.sluice("env", "new", "ada", "--days", "1")
    said = desk.sluice("env", "build", "--name", "ada", "--dry-run")[1]
    assert "1 table has changed (work.wrk_orders)" in said
    one_model(project, TODAY - timedelta(days=1))
    code, said = desk.sluice("env", "build", "--name", "ada")
    assert code == 0, said
    assert "the time of work.wrk_orders, which is work, is over: nothing is made of it" in said
    assert "work.wrk_orders" not in kinds(desk.environment())


def test_another_suite_is_asked_of_the_view(desk: Desk) -> None:
    """Evidence of a suite that the branch changes is not taken over; the build judges what is there."""
    desk.sluice("env", "new", "ada", "--days", "1")
    desk.edit("expectations/shop_orders.yml", ("max_value: 1000", "max_value: 999"))
    ada = desk.environment()
    assert [item.verdict for item in ada.site.gate_report("exp_shop_orders", FRI).closed_by] == [
        Verdict.OTHER_RULES
    ]

    code, said = desk.sluice("env", "build", "--name", "ada")

    assert (code, "`expectations` of marts.shop_orders is another" in said) == (0, True), said
    assert set(kinds(ada).values()) == {"VIEW"}
    assert desk.environment().site.gate_report("exp_shop_orders", FRI).open


def test_a_file_that_lands_in_an_environment_is_loaded_there(desk: Desk) -> None:
    """What views showed of other days stays, and of production's nothing changes, whatever the shell says."""
    desk.sluice("env", "new", "ada", "--days", "2")
    ada, landed, before = desk.environment(), desk.folder / f"{FRI}.csv.gz", files_of(desk.company)
    tables = {"raw.orders": "_partition_key", "marts.shop_orders": "business_date::varchar"}
    shown = [f"select * from {table} where {key} <> '{FRI}' order by all" for table, key in tables.items()]
    held = [rows(ada, query) for query in shown]
    assert all(held)
    landed.write_bytes(gzip.compress(orders(FRI, Nord=50).encode()))

    code, said = desk.inside("land", "orders", str(landed))
    assert code == 0, said
    assert desk.inside("run")[0] == 0
    code, said = desk.inside("table", "rerun", "staging.stg_orders", "--partition", FRI)

    assert code == 0, said
    assert {kinds(ada)[table] for table in tables} == {"BASE TABLE"}
    assert [rows(ada, query) for query in shown] == held
    assert rows(ada, f"select sum(loaves) from raw.orders where _partition_key = '{FRI}'") == [(50,)]
    assert all(ada.site.gate_report("exp_shop_orders", day).open for day in (THU, FRI))
    # A backup would have no end.
    code, said = desk.inside("backup", "create", str(desk.folder / "kept"))
    assert (code, "expected one with data of its own" in said) == (1, True), said
    assert files_of(desk.company) == before


HOOK = "+post-hook: '{{ record_table_version() }}'"
SEED_AND_SNAPSHOT = {
    "dbt_project.yml": f"seeds:\n  bakery: {{+schema: ref, {HOOK}}}\nsnapshots:\n  bakery: {{{HOOK}}}\n",
    "seeds/levels.csv": "level\n1\n",
    "snapshots/then.yml": """snapshots:
  - name: shops_then
    relation: source('raw', 'shops')
    config: {schema: history, strategy: check, unique_key: shop, check_cols: all}
""",
}


def test_a_seed_and_a_snapshot_are_built_over_what_shows_them(desk: Desk) -> None:
    """Dbt refuses to; a snapshot goes on from the history that it has."""
    project = desk.company.settings.project_dir / "dbt_project"
    for name, text in SEED_AND_SNAPSHOT.items():
        (project / name).parent.mkdir(exist_ok=True)
        with (project / name).open("a") as file:
            file.write(text)
    code, said = desk.sluice("env", "new", "ada", "--days", "1")
    assert code == 0, said
    ada = desk.environment()
    early = ", ".join(f"'2024-01-01'::timestamp as dbt_{name}" for name in ("updated_at", "valid_from"))
    known = f"select 'Nord' as shop, 'Ulm' as town, 'x' as dbt_scd_id, {early}"
    views = {
        "ref.levels": "select 7 as level",
        "history.shops_then": f"{known}, null::timestamp as dbt_valid_to",
    }
    with ada.deployment.warehouse.session() as session:
        session.show([(Relation(*name.split(".")), query) for name, query in views.items()], [])

    for name in views:
        code, said = desk.inside("table", "rerun", name)
        assert code == 0, said

    assert rows(ada, "select * from ref.levels") == [(1,)]
    held = "select distinct shop from history.shops_then where dbt_valid_from {} '2024-01-01' order by all"
    assert rows(ada, held.format("=")) == [("Nord",)]
    assert ("Sued",) in rows(ada, held.format(">"))


def test_one_whose_time_has_ended_is_refused_by_all_but_drop_and_sweep(desk: Desk) -> None:
    """The shelf's clock decides, and the shelf's word; nothing in the directory helps."""
    before = {lease.id for lease in all_leases(_shelf(desk).area)}
    desk.sluice("env", "new", "ada", "--days", "1")
    data_dir = desk.environment().settings.data_dir
    made = Made.read(data_dir)
    assert made is not None
    lease = Path(made.shelf, "leases", f"{made.lease}.json")
    written = lease.stat().st_mtime
    late = written - timedelta(days=30, minutes=1).total_seconds()
    ways: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
        (
            "its lease is not on the shelf",
            lambda: lease.rename(f"{made.shelf}/kept"),
            lambda: Path(f"{made.shelf}/kept").rename(lease),
        ),
        (
            "a person was forgotten",
            lambda: lease.with_suffix(".ended").write_text("a person was forgotten"),
            lambda: lease.with_suffix(".ended").unlink(),
        ),
        ("its time ended", lambda: os.utime(lease, (late, late)), lambda: None),
    ]
    inside = {"SLUICE_ENVIRONMENT": "scratch:ada", "SLUICE_DATA_DIR": str(data_dir)}
    for why, happens, back in ways:
        happens()
        for arguments in (["env", "build", "--name", "ada"], ["env", "show", "ada"]):
            code, said = desk.sluice(*arguments)
            assert (code, why in said, "type `sluice env drop ada`" in said) == (2, True, True), said
        code, _, complained = desk.company.sluice_with(inside, "status")
        assert (code, why in complained) == (2, True)
        with pytest.MonkeyPatch.context() as patched:
            for name, value in inside.items():
                patched.setenv(name, value)
            with pytest.raises(NotUsable, match=why):  # as Dagster's own commands load it
                defs()
        assert why in " ".join(desk.sluice("env", "list", "--json")[1].split())
        back()

    # Who works inside it types there what each message says.
    assert desk.company.sluice_with(inside, "env", "list")[0] == 0
    assert desk.company.sluice_with(inside, "env", "sweep")[:2] == (0, "removed `ada`\n")
    assert not data_dir.exists()
    assert desk.sluice("env", "new", "ada", "--days", "1")[0] == 0
    anew = Made.read(data_dir)
    assert anew is not None
    os.utime(Path(anew.shelf, "leases", f"{anew.lease}.json"), (late, late))
    assert desk.company.sluice_with(inside, "env", "drop", "ada")[:2] == (0, "environment `ada` is gone\n")
    assert {lease.id for lease in all_leases(_shelf(desk).area)} == before


def test_one_that_other_code_has_made_is_refused_until_it_is_dropped(desk: Desk) -> None:
    """A file of a form that nobody here knows is not guessed at."""
    desk.sluice("env", "new", "ada", "--days", "1")
    file = desk.environment().settings.data_dir / "environment.json"
    said = json.loads(file.read_text())
    for form in ({"form": 2}, {"form": 0}):
        file.write_text(json.dumps(said | form))
        for command in ("show", "build --name", "new"):
            code, told = desk.sluice("env", *command.split(), "ada")
            assert (code, f"form {form['form']}; expected 1" in told) == (2, True), told
            assert "type `sluice env drop ada`, then `sluice env new ada`" in told
        assert "expected 1" in desk.sluice("env", "list", "--json")[1]
        assert desk.sluice("env", "sweep")[0] == 1
        assert file.exists()
    assert desk.sluice("env", "drop", "ada")[0] == 0
    assert desk.sluice("env", "new", "ada", "--days", "1")[0] == 0


def test_a_removal_that_was_killed_anywhere_is_ended_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data go first, so that a record is there as long as anything is; the next try ends it."""
    settings, unlink = desk.environment().settings, os.unlink
    data_dir, kills = settings.data_dir, 0
    steps = int(os.environ.get("SLUICE_TEST_KILLS", "1"))
    while True:
        desk.sluice("env", "new", "ada", "--days", "1")
        left = kills * max(1, 8 // steps)

        def killed(path: Any, *arguments: Any, **named: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            unlink(path, *arguments, **named)

        with monkeypatch.context() as patched:
            patched.setattr(os, "unlink", killed)
            try:
                assert drop(settings, "ada") == []
                break
            except KeyboardInterrupt:
                kills += 1
        assert not (data_dir / "warehouse.duckdb").exists() or Made.read(data_dir) is not None
        if data_dir.exists():
            assert drop(settings, "ada") == []
        assert not data_dir.exists()
    assert kills >= 3


def _of_somebody(folder: Path) -> dict[str, Path]:
    """Put things that are no environments into a folder of them; return {name: a file that is in it}."""
    folder.mkdir(parents=True, exist_ok=True)
    elsewhere = folder.with_name("precious")
    for at in (elsewhere, folder / "plain", folder / "production"):
        (at / "below").mkdir(parents=True)
        (at / "below" / "file").write_text("kept")
        (at / "deployment.json").write_text("{}")
    (folder / "link").symlink_to(elsewhere, target_is_directory=True)
    (folder / "empty").mkdir()
    names = ("plain", "production", "link", "../precious", str(elsewhere), ".", "..")
    return {**{name: folder / name / "below" / "file" for name in names[:5]}, "empty": folder / "empty"}


def test_what_is_no_environment_is_never_removed(desk: Desk) -> None:
    """Neither swept, nor dropped by a name that leads to it, nor taken for half of one by `new`."""
    folder = desk.environment().settings.environments_dir
    theirs = _of_somebody(folder)
    desk.sluice("env", "new", "ada", "--days", "1")
    (folder / "ada" / "inner").symlink_to(folder.with_name("precious"))

    assert desk.sluice("env", "sweep") == (0, "nothing to remove\n")
    for name in (*theirs, ".", "..", "ada/.."):
        for command in ("drop", "new", "show") if name != "empty" else ("drop", "show"):
            code, said = desk.sluice("env", command, "--", name)
            assert (code, "; expected " in said) == (2, True), (name, command, said)
    assert desk.sluice("env", "drop", "ada")[0] == 0
    assert all(path.exists() for path in theirs.values())
    for beside in ("ada.lock", "ada.erasures.jsonl"):  # such a name would be what lies beside another
        assert "is no name of an environment" in desk.sluice("env", "new", beside)[1]


def test_a_copy_that_is_dropped_ends_no_lease_but_its_own(desk: Desk) -> None:
    """The lease in its file is the original's, which goes on."""
    before = all_leases(_shelf(desk).area)
    desk.sluice("env", "new", "ada", "--days", "1")
    folder = desk.environment().settings.environments_dir
    shutil.copytree(folder / "ada", folder / "copy")

    assert desk.sluice("env", "drop", "copy") == (0, "environment `copy` is gone\n")
    assert not (folder / "copy").exists()
    assert desk.sluice("env", "show", "ada")[0] == 0
    assert desk.sluice("env", "drop", "ada")[0] == 0
    assert all_leases(_shelf(desk).area) == before


def test_half_of_one_is_removed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is there when its making is killed."""
    folder = desk.environment().settings.environments_dir
    for broken in ("_lend_parse", "_fill"):
        with monkeypatch.context() as patched:
            patched.setattr(making, broken, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            desk.sluice("env", "new", "ada", "--days", "1")
        assert "half of one" in " ".join(desk.sluice("env", "list", "--json")[1].split())
        assert desk.sluice("env", "sweep") == (0, "removed `ada`\n")
        assert not (folder / "ada").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "ada"}'])
def test_one_whose_file_is_damaged_is_refused_and_removed(desk: Desk, content: str) -> None:
    """It keeps no other one from being listed and removed."""
    folder = desk.environment().settings.environments_dir
    for name, command in (("ada", "sweep"), ("bea", "drop")):
        (folder / name).mkdir(parents=True)
        (folder / name / "environment.json").write_text(content)
        for refused in ("show", "new"):
            code, said = desk.sluice("env", refused, name)
            assert (
                code,
                f"is damaged; expected what `sluice env new` wrote; type `sluice env drop {name}`" in said,
            ) == (2, True)
        inside = {"SLUICE_ENVIRONMENT": f"scratch:{name}", "SLUICE_DATA_DIR": str(folder / name)}
        assert desk.company.sluice_with(inside, "status")[0] == 2
        assert name in desk.sluice("env", "list")[1]
        assert desk.sluice("env", command, *([name] if command == "drop" else []))[0] == 0
        assert not (folder / name).exists()


def test_what_cannot_be_removed_is_named_and_its_record_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is called gone that is there; the next try ends it."""
    desk.sluice("env", "new", "ada", "--days", "1")
    data_dir = desk.environment().settings.data_dir
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        code, said = desk.sluice("env", "drop", "ada")
    assert (code, f"{data_dir}/dbt is left: remove it" in said) == (1, True), said
    assert desk.sluice("env", "list")[1].count("ada") == 1

    assert desk.sluice("env", "drop", "ada")[0] == 0
    assert not data_dir.exists()


def test_nobody_holds_the_other_up(desk: Desk) -> None:
    """Production writes and publishes while an environment is read; one is made while production works."""
    production = desk.company
    desk.sluice("env", "new", "ada", "--days", "5")
    ada = desk.environment()
    before = rows(ada, "select sum(loaves) from raw.orders")
    reading = (
        "import sys, duckdb\n"
        "c = duckdb.connect(sys.argv[1])\n"
        "c.execute(f\"load '{sys.argv[2]}'\")\n"
        "c.execute('begin; select sum(loaves) from raw.orders')\n"
        "print('open', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(c.execute('select sum(loaves) from raw.orders').fetchone()[0], flush=True)\n"
    )
    command = [sys.executable, "-c", reading, str(ada.settings.warehouse_path), str(extension_path("delta"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        production.land_orders(FRI, Nord=90, Sued=4)
        assert all(event.success for event in finished(production.run()))
        assert publish_tables(production.site, ()).refused == {}
        process.stdin.write("\n")
        process.stdin.flush()
        assert [(int(process.stdout.readline()),)] == before
    with production.deployment.warehouse.session() as session:
        assert desk.sluice("env", "new", "eve", "--days", "5")[0] == 0
        now = session.query("select sum(loaves) from raw.orders")
        assert now != before
        assert rows(desk.environment("eve"), "select sum(loaves) from raw.orders") == now


def _shelf(desk: Desk) -> Shelf:
    found = desk.company.deployment.published
    assert found is not None
    return Shelf(found)
