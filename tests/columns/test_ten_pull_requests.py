"""Pull requests over the demo company: what really moves at its destinations is in `sluice impact`'s answer.

Where the SQL tells, both versions are run on the same data (`replayed`), and what differs is what must be in
the answer. Where it does not, as with contracts and windows, the fields are stated, with the reason.
Written from what a reviewer wants to know, without a look at how the answer is made.
Belongs here: edits. Does not: how one kind of change travels (`test_impact`).
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sluicegate.cli.main import app
from sluicegate.contracts.dbt_sources import write_sources
from sluicegate.contracts.load import load_contracts
from sluicegate.core.settings import REPOSITORY, Settings
from sluicegate.project.loading import load_project
from typer.testing import CliRunner

from tests.columns.replayed import Replayed, Rows

APP, DROP, TELEMETRY, CRM, MAIL, VENDORS, HOOK = (
    "exp_top_items_retailer_app", "exp_top_items_partner_drop", "exp_city_gaps_telemetry",
    "exp_store_gaps_crm",
    "exp_missing_items_messaging", "exp_vendor_gaps_marketing", "exp_wide_gaps_partner_hook",
)  # fmt: skip
ALL = {APP, DROP, TELEMETRY, CRM, MAIL, VENDORS, HOOK}
PRODUCTS, SALES, STORES = (f"contracts/{name}.odcs.yaml" for name in ("products", "sales", "stores"))
STAGING, MARTS = "dbt_project/models/staging/", "dbt_project/models/marts/"
PROJECT = "dbt_project/dbt_project.yml"
RETAIL = "      - name: state_bottle_retail\n        data_type: decimal(12,2)"
VENDOR_NAME = """\
      - name: vendor_name
        physicalName: Vendor Name
        logicalType: string
        physicalType: VARCHAR
        description: Name of the vendor; often with two spaces before INC.
        required: true
        classification: public
        logicalTypeOptions:
          minLength: 1
"""
LAST_MILE = (
    "last_mile:\n"
    "  - {rule}\n"
    "    owner: partnerships@marketplace.example\n"
    "    reason: Asked for on the telephone.\n"
    "    issue: https://issues.example/7\n"
    "    declared: {day}\n"
    "    expires: {day}\n"
)


@dataclass(frozen=True)
class PullRequest:
    """Edits (file, old, new), and what is known of them besides what the data tell.

    `fields` change their values, type or being for sure, `rows` are exports that get other rows. `untouched`
    are exports that nobody need look at; `same_fields` are those whose fields stay what they are, though a
    contract may now take other rows in. `guards` are tables that are judged otherwise. `runs`: the SQL tells.
    """

    edits: tuple[tuple[str, str, str], ...]
    fields: Mapping[str, set[str]] = field(default_factory=dict[str, set[str]])
    rows: frozenset[str] = frozenset()
    untouched: frozenset[str] = frozenset()
    same_fields: frozenset[str] = frozenset()
    guards: frozenset[str] = frozenset()
    runs: bool = True


REQUESTS = {
    # Nobody sends it: the models below keep all that they have.
    "a contract's column removed that is not sent": PullRequest(
        (
            (PRODUCTS, "      - name: upc\n        physicalName: UPC\n        logicalType: string\n"
             "        physicalType: VARCHAR\n        description: Bar code of the bottle; may be empty"
             " or shared.\n"
             "        required: false\n        classification: public\n        logicalTypeOptions:\n"
             "          pattern: '^[0-9]+$'\n", ""),
            (STAGING + "stg_products.sql", "        upc,\n", ""), (STAGING + "stg_products.sql",
            "    upc,\n", ""),
            (STAGING + "_models.yml", "      - name: upc\n        data_type: varchar\n"
             "        description: Bar code of the bottle; may be empty, and several items may share"
             " one.\n", ""),
        ),
        untouched=frozenset(ALL),
    ),
    # The models still select it, so the project does not load; the answer is wanted all the more.
    "a contract's column removed": PullRequest(
        ((PRODUCTS, VENDOR_NAME, ""),), {VENDORS: {"name"}, DROP: {"vendor_name"}}, runs=False
    ),
    # Bottles decide who is a best seller, so the rows of all that comes of it as well.
    "a contract's column renamed": PullRequest(
        ((SALES, "name: bottles_sold", "name: bottles"),),
        {APP: {"city_net_bottles"}, DROP: {"city_net_bottles"}, TELEMETRY: {"city_net_bottles"}},
        frozenset({APP, DROP, TELEMETRY, HOOK}), runs=False,
    ),
    "a contract's column retyped": PullRequest(
        (
            (PRODUCTS, "        physicalType: DECIMAL(12,2)\n        description: What a store pays the"
                " state for a bottle",
             "        physicalType: DECIMAL(14,3)\n        description: What a store pays the state for"
             " a bottle"),
            (STAGING + "_models.yml", RETAIL, RETAIL.replace("12,2", "14,3")),
            (MARTS + "_models.yml", RETAIL, RETAIL.replace("12,2", "14,3")),
            ("dbt_project/models/exports/_models.yml", RETAIL, RETAIL.replace("12,2", "14,3")),
        ),
        {APP: {"state_bottle_retail"}}, same_fields=frozenset(ALL - {APP}),
    ),
    # What is masked is another value; Name is what the sales force sees.
    "a contract's column masked": PullRequest(
        ((STORES, "        required: true\n        classification: public\n        logicalTypeOptions:\n"
          "          minLength: 1\n          maxLength: 120\n",
          "        required: true\n        classification: public\n        logicalTypeOptions:\n"
          "          minLength: 1\n          maxLength: 120\n        customProperties:\n"
          "          - {property: masking, value: hash}\n"),),
        {CRM: {"Name"}}, untouched=frozenset({DROP, TELEMETRY, VENDORS, HOOK}), runs=False,
    ),
    # Read from another column of the file: the type is the same, and the price is not.
    "a contract's column read from another header": PullRequest(
        ((PRODUCTS, "physicalName: State Bottle Retail", "physicalName: State Bottle Price"),),
        {APP: {"state_bottle_retail"}}, same_fields=frozenset(ALL - {APP}), runs=False,
    ),
    "a list of categories changed": PullRequest(
        ((PROJECT, '["BEER", "CIDER", "WINE"]', '["BEER", "CIDER", "WINE", "SPICED RUM", "CREAM'
            ' LIQUEURS"]'),),
        rows=frozenset({APP, DROP, TELEMETRY, HOOK}),
    ),
    "a model's filter tightened": PullRequest(
        ((MARTS + "city_item_gaps.sql", "gaps.stores_without > 0", "gaps.stores_without > 3"),),
        rows=frozenset({DROP, TELEMETRY, HOOK}), untouched=frozenset({APP, CRM, MAIL}),
    ),
    "a join changed to left": PullRequest(
        ((MARTS + "top_items_not_carried.sql", "inner join {{ ref('stg_products') }}",
          "left join {{ ref('stg_products') }}"),),
        rows=frozenset({APP}), untouched=frozenset({DROP, TELEMETRY, VENDORS, HOOK}),
    ),
    "a price rounded": PullRequest(
        ((STAGING + "stg_products.sql", "        state_bottle_retail,\n        report_date",
          "        cast(round(state_bottle_retail, 0) as decimal(12, 2)) as state_bottle_retail,\n"
          "        report_date"),),
        {APP: {"state_bottle_retail"}}, untouched=frozenset(ALL - {APP}),
    ),
    "a column renamed between staging and mart": PullRequest(
        (
            (STAGING + "stg_products.sql", "    proof,\n    list_date", "    proof,\n    list_date as"
                " listed_from"),
            (STAGING + "_models.yml", "      - name: list_date", "      - name: listed_from"),
            ("dbt_project/models/intermediate/int_city_top_items.sql", "products.list_date <=",
             "products.listed_from <="),
            ("dbt_project/models/intermediate/int_city_top_items.sql", "'products.list_date'",
             "'products.listed_from'"),
        ),
    ),
    "a field renamed in the model that is sent": PullRequest(
        (
            ("dbt_project/models/exports/exp_top_items_retailer_app.sql", "as city_net_bottles",
            "as bottles"),
            ("dbt_project/models/exports/_models.yml", "      - name: city_net_bottles", "      - name:"
                " bottles"),
            ("expectations/exp_top_items_retailer_app.yml", "column: city_net_bottles", "column: bottles"),
        ),
        {APP: {"city_net_bottles", "bottles"}}, untouched=frozenset(ALL - {APP}),
    ),
    # Nothing is seasonal any more, and wine is liquor.
    "a macro edited": PullRequest(
        (("dbt_project/macros/quoted_list.sql", "{{ value | replace", "{{ value | lower | replace"),),
        rows=frozenset({APP, DROP, TELEMETRY, HOOK}),
    ),
    "a row of a seed changed": PullRequest(
        (("dbt_project/seeds/store_licences.csv", "20007", "20003"),), rows=frozenset({APP, DROP,
        TELEMETRY, HOOK})
    ),
    "a field called otherwise by its export": PullRequest(
        (("exports/exp_vendor_gaps_marketing.yml", "  vendor_name: name", "  vendor_name: company_name"),),
        {VENDORS: {"name", "company_name"}}, untouched=frozenset(ALL - {VENDORS}),
    ),
    "a filter of the last mile": PullRequest(
        (("exports/exp_city_gaps_telemetry.yml", "mode: snapshot\n",
          "mode: snapshot\n" + LAST_MILE.replace("{rule}", "filter: {column: city, drop: [RIVERBEND]}")),),
        rows=frozenset({TELEMETRY}), untouched=frozenset(ALL - {TELEMETRY}),
    ),
    "a map of the last mile": PullRequest(
        (("exports/exp_top_items_partner_drop.yml", "mode: snapshot\n",
          "mode: snapshot\n"
          + LAST_MILE.replace("{rule}", "map: {column: vendor_name, values: {BAY IMPORTS: BAY}}")),),
        {DROP: {"vendor_name"}}, untouched=frozenset(ALL - {DROP}),
    ),
    "a list cut shorter": PullRequest(
        ((PROJECT, "max_items_per_store: 10", "max_items_per_store: 1"),),
        rows=frozenset({APP}), untouched=frozenset({DROP, TELEMETRY, VENDORS, HOOK}),
    ),
    # A window is not in the SQL of a model but in its config; each sum is over other days.
    "a window cut shorter": PullRequest(
        (("dbt_project/models/intermediate/int_city_item_sales.sql", "{'stg_sales':"
            " 28}", "{'stg_sales': 7}"),),
        rows=frozenset({APP, DROP, TELEMETRY, HOOK}),
    ),
    "a file formatted anew": PullRequest(
        (
            (MARTS + "store_gaps.sql", "with offered as (\n    select", "/* Who lacks what. */\nWITH"
                " offered AS (\n  SELECT"),
            (MARTS + "store_gaps.sql", "    coalesce(offered.top_items, 0)"
                " as", "      coalesce(offered.top_items , 0 )\n as"),
        ),
        untouched=frozenset(ALL),
    ),
    "a threshold of a suite": PullRequest(
        (("expectations/exp_top_items_retailer_app.yml", "max_value: 100000\n", "max_value: 900\n"),),
        untouched=frozenset(ALL), guards=frozenset({APP}),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Company:
    """The demo in a repository of its own, what it sends, and of what types."""

    settings: Settings
    feed: Path
    sent: Mapping[str, Mapping[str, Rows]]
    types: Mapping[str, Mapping[str, str]]
    fields: Mapping[str, list[str]]
    keys: Mapping[str, tuple[str, ...]]

    def git(self, *arguments: str) -> None:
        """Run git in the repository."""
        _git(self.settings.project_dir, *arguments)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("demo")
    project_dir = folder / "marketplace"
    for name in ("contracts", "dbt_project", "expectations", "exports"):
        shutil.copytree(REPOSITORY / name, project_dir / name)
    _git(project_dir, "init", "--quiet", "--initial-branch=main")
    _git(project_dir, "add", "--all")
    _git(project_dir, "commit", "--quiet", "--message", "all")
    settings = Settings.load({}, project_dir=project_dir, data_dir=folder / "data")
    return _run(settings, folder / "feed")


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@marketplace.example", "-c", "commit.gpgsign=false"]
    program = shutil.which("git")
    assert program is not None
    subprocess.run([program, *who, *arguments], cwd=folder, check=True, capture_output=True)


def _run(settings: Settings, feed: Path) -> Company:
    """Run the project as it is, on days of the generator, and on days that lack what should be there."""
    project = load_project(settings)
    replayed = Replayed(project, settings, project.manifest.digests)
    replayed.fill_demo(feed)
    sent = {"whole": replayed.run()}
    replayed.connection.execute("delete from raw.products where hash(item_number) % 4 = 0")
    replayed.connection.execute("delete from raw.inventory where hash(store_number || item_number) % 3 = 0")
    sent["with holes"] = replayed.run()
    return Company(
        settings, feed, sent,
        {name: replayed.types(name) for name in project.exports},
        {name: replayed.fields(name) for name in project.exports},
        {name: export.key_fields for name, export in project.exports.items()},
    )  # fmt: skip


@pytest.fixture(params=REQUESTS)
def request_(request: pytest.FixtureRequest, demo: Company) -> Iterator[PullRequest]:
    """Each of them, edited into the working tree."""
    made = REQUESTS[request.param]
    folder = demo.settings.project_dir
    for file, old, new in made.edits:
        text = (folder / file).read_text()
        assert old in text, (file, old)
        (folder / file).write_text(
            text.replace(old, new.replace("{day}", f"{datetime.now(UTC):%Y-%m-%d}"), 1)
        )
    if any(file.startswith("contracts/") for file, _, _ in made.edits):
        write_sources(folder, load_contracts(folder)[0])
    yield made
    demo.git("checkout", "--quiet", ".")


@pytest.mark.sampled(11)
def test_what_moves_is_in_the_answer(demo: Company, request_: PullRequest) -> None:
    """Fields that change, and exports that get other rows; and nobody is told of what is none of theirs."""
    code, answer = _impact(demo)
    told = {
        (one["receiver"]["name"], one["field"]) for change in answer["changes"] for one in change["fields"]
    }
    rows = {one["receiver"]["name"] for change in answer["changes"] for one in change["rows"]}
    assert {(export, one) for export, fields in request_.fields.items() for one in fields} <= told
    assert request_.rows <= rows
    assert not request_.untouched & rows
    assert not (request_.untouched | request_.same_fields) & {export for export, _ in told}
    guarded = {name for guard in answer["guards"] for name in (guard["table"], *guard["receivers"])}
    assert request_.guards <= guarded
    if request_.runs:
        fields, others = _moved(demo, _run(demo.settings, demo.feed))
        assert {(export, one) for export, one in fields if export not in rows} <= told
        assert others <= rows
        assert answer["problems"] == []
        assert code == bool(told or rows)


def _impact(demo: Company) -> tuple[int, dict[str, Any]]:
    settings = demo.settings
    told = CliRunner().invoke(
        app,
        ["impact", "--since", "HEAD", "--json", "--project", str(settings.project_dir), "--data",
        str(settings.data_dir)],
    )  # fmt: skip
    assert told.stdout, told.exception
    return told.exit_code, json.loads(told.stdout)


def _moved(before: Company, after: Company) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the fields that differ, as (export, field), and the exports whose rows are others, by key."""
    fields, rows = set[tuple[str, str]](), set[str]()
    for export, types in before.types.items():
        now = after.types[export]
        fields |= {(export, name) for name in types.keys() | now.keys() if types.get(name) != now.get(name)}
        for world, sent in before.sent.items():
            mine, theirs = (
                _by_key(company.sent[world][export], company.fields[export], company.keys[export])
                for company in (before, after)
            )
            common = sorted(types.keys() & now.keys())
            assert len(mine) == len(sent[export])
            if mine.keys() != theirs.keys() or len(theirs) != len(after.sent[world][export]):
                rows.add(export)
            fields |= {
                (export, name)
                for key in mine.keys() & theirs.keys()
                for name in common
                if mine[key][name] != theirs[key][name]
            }
    return fields, rows


def _by_key(rows: Rows, fields: list[str], key: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = [dict(zip(fields, row, strict=True)) for row in rows]
    return {tuple(row[name] for name in key): row for row in found}
