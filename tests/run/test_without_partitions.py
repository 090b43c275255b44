"""An export of a model without partitions: delivered, shown, and asked for without a partition."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg import sql

from orchestration.operations.status import Standing
from tests.company import MON, Company, failures, held, runs
from tests.gate.edits import append, both, replace, write
from tests.prepared import bakery_in, copy_of, database
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
EXPORT = "exp_shop_list"
MODEL = f"exports.{EXPORT}"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
SEEDS = "\nseeds:\n  bakery:\n    +schema: reference\n    +post-hook: '{{ record_table_version() }}'\n"
WAYS = [
    ("postgres", "append"), ("postgres", "upsert"), ("postgres", "mirror"), ("postgres", "snapshot"),
    ("blob", "append"), ("blob", "snapshot"),
]  # fmt: skip


def with_export(
    company: Company, more: str = "", way: tuple[str, str] = ("blob", "snapshot"), name: str = EXPORT
) -> Company:
    """Add an export of the shops, which are a snapshot, below the folder that partitions all models."""
    own = company.with_own_project()
    kind, mode = way
    connection, place = {"postgres": ("shop_screens", f"bakery.{name}"), "blob": ("miller", name)}[kind]
    both(
        write(
            f"dbt_project/models/exports/{name}.sql",
            "{{ config(materialized='table') }}\nselect shop, town from {{ source('raw', 'shops') }}\n",
        ),
        append(
            "dbt_project/models/exports/_exports.yml",
            f"  - name: {name}\n    description: The shops.\n    columns:\n"
            "      - {name: shop, data_type: varchar, description: The shop.}\n"
            "      - {name: town, data_type: varchar, description: Its town.}\n",
        ),
        write(
            f"expectations/{name}.yml",
            "expectations:\n  - type: expect_table_row_count_to_be_between\n"
            "    kwargs: {min_value: 1, max_value: 1000}\n    severity: critical\n"
            "    meta: {notes: There are shops.}\n  - type: expect_column_values_to_not_be_in_set\n"
            "    kwargs: {column: town, value_set: [Nowhere]}\n    severity: critical\n"
            "    meta: {notes: A town is a town.}\n",
        ),
        write(
            f"exports/{name}.yml",
            f"model: {name}\ndestination: {{type: {kind}, connection: {connection}, object: {place}}}\n"
            f"key: [shop]\nmode: {mode}\npartitions: latest\nowner: counter@bakery.example\n"
            f"purpose: The shops, for all.\n{more}",
        ),
    )(own.settings.project_dir)
    return own.read_anew()


def arrived(company: Company, kind: str = "blob", name: str = EXPORT) -> list[tuple[Any, ...]]:
    """What the receiver sees: the table, or the parts that the manifests name."""
    if kind == "blob":
        rows: list[tuple[Any, ...]] = []
        for path in (company.container / name).glob("*/manifest.json"):
            shown = json.loads(path.read_text())
            for delivery in shown.get("deliveries", [shown]):
                for part in delivery["files"]:
                    file = path.parent / delivery["folder"] / part["path"]
                    rows += duckdb.sql(f"select shop, town from '{file}'").fetchall()
        return sorted(rows)
    with psycopg.connect(company.postgres_url) as connection:
        query = sql.SQL("select shop, town from bakery.{} order by 1").format(sql.Identifier(name))
        return connection.execute(query).fetchall()


Told = tuple[list[tuple[Any, ...]], Standing, int | None]


@pytest.fixture(scope="module")
def each_way(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, parsed_bakery: Path
) -> list[dict[tuple[str, str], Told]]:
    """What has arrived of an export each way, and what is told of it: of two shops, of three, of no news."""
    with database(postgres_url) as url:
        company = bakery_in(tmp_path_factory.mktemp("ways"), url)
        shutil.copytree(parsed_bakery, company.settings.data_dir)
        names = {way: f"{EXPORT}_{'_'.join(way)}" for way in WAYS}
        for way, name in names.items():
            company = with_export(company, way=way, name=name)

        def told() -> dict[tuple[str, str], Told]:
            rows = {way: company.status()[name, ""] for way, name in names.items()}
            return {
                way: (arrived(company, way[0], names[way]), row.standing, row.rows)
                for way, row in rows.items()
            }

        assert not {(name, "") for name in names.values()} & set(company.status())
        company.land_shops("a", "b")
        assert failures(company.run()) == ""
        steps = [told()]
        company.land_shops("a", "b", "c")
        assert runs(company.run()) == [("", True)]
        steps.append(told())
        assert company.run() == []
        steps.append(told())
        company.deployment.store.close()
    return steps


@pytest.mark.sampled(2)
@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_it_is_delivered_and_delivered_anew(
    each_way: list[dict[tuple[str, str], Told]], way: tuple[str, str]
) -> None:
    first, second, third = (step[way] for step in each_way)
    assert first == ([("a", "Ulm"), ("b", "Ulm")], Standing.DELIVERED, 2)
    assert second[:2] == ([("a", "Ulm"), ("b", "Ulm"), ("c", "Ulm")], Standing.DELIVERED)
    assert third == second


def test_one_on_seeds_alone_is_delivered_and_shown(bakery: Company) -> None:
    company = with_export(bakery)
    both(
        append("dbt_project/dbt_project.yml", SEEDS),
        write("dbt_project/seeds/places.csv", "shop,town\na,Ulm\n"),
        replace(f"dbt_project/models/exports/{EXPORT}.sql", "source('raw', 'shops')", "ref('places')"),
    )(company.settings.project_dir)
    company = company.read_anew()
    assert company.status()[(EXPORT, "")].standing is Standing.WAITING
    assert runs(company.run()) == [("", True)]
    assert company.status()[(EXPORT, "")].standing is Standing.DELIVERED
    write("dbt_project/seeds/places.csv", "shop,town\na,Bonn\n")(company.settings.project_dir)
    company = company.read_anew()
    assert runs(company.run()) == [("", True)]
    assert arrived(company) == [("a", "Bonn")]


@pytest.fixture(scope="module")
def once_sent(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, parsed_bakery: Path
) -> Iterator[Company]:
    """A bakery whose shops are delivered as files: a and b; not for tests, which get a copy."""
    with database(postgres_url) as url:
        bare = bakery_in(tmp_path_factory.mktemp("sent"), url)
        shutil.copytree(parsed_bakery, bare.settings.data_dir)
        company = with_export(bare)
        company.land_shops("a", "b")
        assert runs(company.run()) == [("", True)]
        company.deployment.store.close()
        yield company


@pytest.fixture
def sent(tmp_path: Path, postgres_url: str, once_sent: Company) -> Iterator[Company]:
    """The shops are delivered as files: a and b."""
    with copy_of(once_sent, tmp_path, postgres_url) as company:
        yield company


NOW = "now"
COMMANDS: dict[str, Sequence[str]] = {
    "why": ("why", EXPORT),
    "plan": ("delivery", "plan", EXPORT),
    "resync": ("delivery", "resend", EXPORT),
    "reconcile": ("delivery", "reconcile", EXPORT),
    "redeliver": ("delivery", "redeliver", EXPORT, "--on", NOW, "--reason", "as it was"),
    "content": ("delivery", "content", EXPORT, "--on", NOW),
    "rejected": ("delivery", "refusals", EXPORT),
    "rerun": ("table", "rerun", MODEL),
    "judge": ("table", "judge", MODEL),
    "deliveries": ("delivery", "list", EXPORT),
    "status": ("status",),
}
# Those that take the whole of an export or of a table.
_NO_OPTION = ("deliveries", "status")


@pytest.mark.sampled(3)
@pytest.mark.parametrize("command", COMMANDS)
def test_commands_take_it_without_a_partition(sent: Company, command: str) -> None:
    # To the microsecond: in whole seconds it might be before what was delivered within this one.
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    code, said = sluice(sent, *(now if word == NOW else word for word in COMMANDS[command]))
    assert code == 0, said
    assert "[]" not in said
    assert arrived(sent) == [("a", "Ulm"), ("b", "Ulm")]
    if command == "status":
        assert re.search(rf"{EXPORT} +│ +│ delivered", said), said


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in _NO_OPTION])
def test_commands_say_that_a_partition_does_not_belong(sent: Company, command: str) -> None:
    option = "--from" if command == "judge" else "--partition"
    before = sent.deployment.store.deliveries.of_export(EXPORT)
    words = (MON if word == NOW else word for word in COMMANDS[command])
    code, said = sluice(sent, *words, option, MON)
    assert code == 2, said
    assert "expected none" in said or "not partitioned" in said, said
    assert sent.deployment.store.deliveries.of_export(EXPORT) == before


def test_a_partitioned_export_asks_for_its_partition(open_bakery: Company) -> None:
    for words in (("why",), ("export", "release", "--reason", "x", "--until", TOMORROW)):
        code, said = sluice(open_bakery, *words, "exp_shop_orders")
        assert code == 2
        assert "`exp_shop_orders` expects --partition with a key of its grain, daily, as 2022-10-05" in said


def test_it_is_held_named_and_released(sent: Company) -> None:
    """The commands that the program prints are typed as they are."""
    sent.land_shops("a", "b:Nowhere")
    events = sent.run()
    assert held(events) == [(EXPORT, "")]
    row = sent.status()[(EXPORT, "")]
    assert row.standing is Standing.HELD
    code, said = sluice(sent, "why", EXPORT)
    assert code == 1
    assert f"closed: {EXPORT} is not sent" in said
    assert "--partition" not in said
    [step] = re.findall(r"`sluice (table rerun .*?)`", said)
    assert sluice(sent, *step.split())[0] == 1
    code, said = sluice(
        sent, "export", "release", EXPORT, "--reason", "they know it", "--until", TOMORROW, "--by", "ada"
    )
    assert code == 0, said
    assert f"{EXPORT} is released by ada" in said
    assert "[]" not in said
    assert [done for _, done in runs(sent.run())] == [True]
    assert arrived(sent) == [("a", "Ulm"), ("b", "Nowhere")]
    code, said = sluice(sent, "export", "release", EXPORT, "--reason", "again", "--until", TOMORROW)
    assert code == 2
    assert f"the gate of {EXPORT} is open already" in said


@pytest.mark.parametrize("word", ["approve", "reject"])
@pytest.mark.sampled(2)
def test_past_a_limit_it_is_looked_at_and_decided_on(bakery: Company, word: str) -> None:
    company = with_export(bakery, "limits: {removed_share: 0.1}\n")
    company.land_shops("a", "b")
    assert runs(company.run()) == [("", True)]
    company.land_shops("a")
    events = company.run()
    said = failures(events) + company.status()[(EXPORT, "")].why
    assert "[]" not in said
    look, decide = (re.search(rf"`sluice (delivery {name} [^`]*)`", said) for name in ("plan", word))
    assert look is not None
    assert decide is not None, said
    assert look[1] == f"delivery plan {EXPORT}"
    assert sluice(company, *look[1].split())[0] == 0
    code, decided = sluice(company, *decide[1].replace("…", "seen").split())
    assert code == 0, decided
    assert "[]" not in decided
    after = [("a", "Ulm")] if word == "approve" else [("a", "Ulm"), ("b", "Ulm")]
    assert arrived(company) == after
