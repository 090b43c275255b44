"""Pull requests, each with what it comes to: what refuses, what needs approval, and what neither does.

Belongs here: one row a rule, or a neighbour of it that must not be caught. Does not: how the comment reads
(`test_comment`), the pipelines' files (`test_pipelines`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from jsonschema import Draft202012Validator
from sluicegate.review.review import schema_text
from sluicegate.review.rules import RULES, Rule

from tests.company import BAKERY
from tests.kusto.mill import FILES as MILL
from tests.review.conftest import Branch
from tests.stages.workshop import NEXT_MONTH, TODAY, one_model, sent

pytestmark = pytest.mark.long
SCHEMA = Draft202012Validator(json.loads(schema_text()))
ORDERS, SHOPS, WEATHER = (f"contracts/{name}.odcs.yaml" for name in ("orders", "shops", "weather"))
STG_ORDERS = "dbt_project/models/staging/stg_orders.sql"
STG_WEATHER = "dbt_project/models/staging/stg_weather.sql"
STG_STALLS = "dbt_project/models/staging/stg_stalls.sql"
REPORT_SQL, REPORT = "dbt_project/models/exports/exp_weather_report.sql", "exports/exp_weather_report.yml"
SHOP_ORDERS = "exports/exp_shop_orders.yml"
OWNERS = ".github/CODEOWNERS"
Edit = tuple[str, str, str]
PASSED, REFUSED, APPROVAL = 0, 1, 3
TWICE: Edit = (STG_ORDERS, "    loaves\n", "    loaves * 2 as loaves\n")


UNMARKED = "{name: loaves, description: Loaves ordered.}"
MARKED = "{name: loaves, description: Loaves ordered., config: {meta: {classification: internal}}}"
STAGED = "dbt_project/models/staging/_staging.yml"
EXP_ORDERS = "dbt_project/models/exports/exp_shop_orders.sql"
WRK_ORDERS = "dbt_project/models/work/wrk_orders.sql"


def _made(*makers: Callable[..., None], **named: object) -> tuple[Edit, ...]:
    """Return the files that helpers of work make, as edits."""
    with TemporaryDirectory() as folder:
        for make in makers:
            make(Path(folder), **named)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return tuple((str(path.relative_to(folder)), "", path.read_text()) for path in files)


WORK = _made(one_model)
OVER = _made(one_model, expires=TODAY - timedelta(days=1))
SENT = _made(sent)
STALLS = (BAKERY / SHOPS).read_text().replace("shops", "stalls").replace("shop", "stall")
NEW_SOURCE: tuple[Edit, ...] = (
    ("contracts/stalls.odcs.yaml", "", STALLS),
    ("expectations/stalls.yml", "", (BAKERY / "expectations/shops.yml").read_text().replace("shop", "stall")),
)  # fmt: skip


def last_mile(days: int) -> str:
    """Return a last-mile rule that holds for so many days more."""
    return (
        "last_mile:\n  - filter: {column: town, drop: [Nowhere]}\n    owner: counter@bakery.example\n"
        "    reason: Asked for.\n    issue: https://issues.example/7\n"
        f"    declared: {TODAY - timedelta(days=1)}\n    expires: {TODAY + timedelta(days=days)}\n"
    )


@dataclass(frozen=True)
class Row:
    """A pull request: edits on top of `merged`, what it ends with, (rule, file) of findings, approvers."""

    edits: tuple[Edit, ...]
    code: int
    found: frozenset[tuple[str, str]] = frozenset()
    merged: tuple[Edit, ...] = ()
    shelf: bool = False
    who: tuple[str, ...] = ()


def row(code: int, *edits: Edit, found: tuple[tuple[str, str], ...] = (), merged: tuple[Edit, ...] = (),
        shelf: bool = False, who: tuple[str, ...] = ()) -> Row:  # fmt: skip
    return Row(edits, code, frozenset(found), merged, shelf, who)


TOWNS, FILLED = "kusto/functions/Towns.kql", "kusto/filled/towns.yml"
KUSTO = tuple((name, "", text) for name, text in MILL.items())
OTHER_TOWNS = (TOWNS, "days = count()", "rainy = count()")

ROWS = {
    "nothing": row(PASSED),
    "a comment in KQL": row(PASSED, (TOWNS, "    weather\n", "    weather // of all days\n"), merged=KUSTO),
    "a function that counts otherwise": row(PASSED, (TOWNS, "count()", "dcount(rain_mm)"), merged=KUSTO),
    "a column that a function does not give any more": row(
        APPROVAL, OTHER_TOWNS, merged=KUSTO, found=(("field", TOWNS), ("field", FILLED)),
        who=("@bakery/platform",),
    ),
    "a function that is gone, with its table": row(
        APPROVAL, (TOWNS, "", ""), (FILLED, "", ""), merged=KUSTO,
        found=(("field", TOWNS), ("field", FILLED)), who=("@bakery/platform",),
    ),
    "a function that another thing still needs": row(
        REFUSED, (TOWNS, "", ""), merged=KUSTO, found=(("check", FILLED),)
    ),
    "a comment in SQL": row(PASSED, (STG_ORDERS, "select\n", "-- what was ordered\nselect\n"), shelf=True),
    "a change within its contract": row(PASSED, TWICE, shelf=True),
    "a model that does not compile": row(
        REFUSED, (STG_ORDERS, "    loaves\n", "    no_such as loaves\n"), found=(("check", STG_ORDERS),)
    ),
    "models in a circle": row(
        REFUSED, ("dbt_project/models/marts/shop_orders.sql", "ref('stg_weather')", "ref('exp_shop_orders')")
    ),
    "a TODO that is left": row(
        REFUSED, (REPORT, "Tells the miller how wet the grain was.", "TODO"), found=(("check", REPORT),)
    ),
    "a contract that is no YAML": row(REFUSED, (ORDERS, "kind: DataContract", "kind: [")),
    "a version that is not raised": row(
        REFUSED,
        (ORDERS, "description: Loaves ordered.\n        required: true",
         "description: Loaves ordered.\n        required: false"),
        found=(("version", ORDERS),),
    ),
    "a suite without an owner": row(
        REFUSED,
        (OWNERS, "/expectations/unowned.yml", "/expectations/weather.yml"),
        found=(("owner", "expectations/weather.yml"), ("guard", OWNERS)),
    ),
    "another's file without an owner": row(
        PASSED, (STG_ORDERS, "select\n", "-- orders\nselect\n"),
        merged=((OWNERS, "/expectations/unowned.yml", "/expectations/weather.yml"),),
    ),
    "no CODEOWNERS any more": row(REFUSED, (OWNERS, "", "")),
    "a feed that is deprecated": row(
        REFUSED, (STG_WEATHER, "coalesce(rain_mm, 0)", "coalesce(rain_mm, 1)"),
        merged=((WEATHER, "status: active", "status: Deprecated"),), found=(("expired", WEATHER),),
    ),
    "another feed that is deprecated": row(
        PASSED, (REPORT_SQL, "    town,\n", "    upper(town) as town,\n"),
        merged=((SHOPS, "status: active", "status: retired"),),
    ),
    "to deprecate a feed": row(
        PASSED, (WEATHER, "status: active", "status: deprecated"),
        (WEATHER, "version: 1.0.0", "version: 1.0.1"),
    ),
    "a feed whose support ended yesterday": row(
        REFUSED, TWICE, found=(("expired", ORDERS),),
        merged=((ORDERS, "slaProperties:\n", "slaProperties:\n  - property: endOfSupport\n"
                 f"    value: '{TODAY - timedelta(days=1)}'\n"),),
    ),
    "a feed whose support ends today": row(
        PASSED, TWICE,
        merged=((ORDERS, "slaProperties:\n", "slaProperties:\n  - property: endOfSupport\n"
                 f"    value: '{TODAY}'\n"),),
    ),
    "a last-mile rule that ends in 14 days": row(
        REFUSED, (STG_WEATHER, "coalesce(rain_mm, 0)", "coalesce(rain_mm, 1)"),
        merged=((REPORT, "mode: snapshot\n", "mode: snapshot\n" + last_mile(14)),),
        found=(("expired", REPORT),),
    ),
    "a last-mile rule that ended, of an export that is not reached": row(
        PASSED, TWICE, merged=((REPORT, "mode: snapshot\n", "mode: snapshot\n" + last_mile(0)),),
    ),
    "a last-mile rule that ends in 15 days": row(
        PASSED, (STG_WEATHER, "coalesce(rain_mm, 0)", "coalesce(rain_mm, 1)"),
        merged=((REPORT, "mode: snapshot\n", "mode: snapshot\n" + last_mile(15)),),
    ),
    "a field renamed at the destination": row(
        APPROVAL, (REPORT, "mode: snapshot\n", "mode: snapshot\nnames: {rain_mm: rain}\n"),
        found=(("field", REPORT),),
    ),
    "an export that goes elsewhere": row(
        APPROVAL, (REPORT, "object: weather", "object: rain"), found=(("export", REPORT), ("field", REPORT))
    ),
    "an export that is gone": row(
        APPROVAL, (REPORT, "", ""), (REPORT_SQL, "", ""), ("expectations/exp_weather_report.yml", "", ""),
        ("dbt_project/models/exports/_exports.yml",
         "  - name: exp_weather_report\n    description: The weather, for the miller.\n    columns:\n"
         "      - {name: business_date, data_type: date, description: The day.}\n"
         "      - {name: town, data_type: varchar, description: The town.}\n"
         '      - {name: rain_mm, data_type: "decimal(6,1)", description: Rain in millimetres.}\n', ""),
        found=(("field", REPORT),),
    ),
    "rules of environments": row(
        APPROVAL, ("environments.yml", "", "scratch: {days: 3}\n"), found=(("guard", "environments.yml"),)
    ),
    "classes": row(
        APPROVAL,
        ("contracts/classes.yml", "", "classes: [public, internal, personal]\n"),
        found=(("class", "contracts/classes.yml"),),
    ),
    "a connector": row(
        APPROVAL,
        ("contracts/connectors.yml", "",
         "connectors:\n  - {name: staging, types: [local, azure, s3]}\n  - {name: other, types: [s3]}\n"),
        found=(("source", "contracts/connectors.yml"),),
    ),
    "an export that may receive more": row(
        APPROVAL, (REPORT, "mode: snapshot\n", "mode: snapshot\nclasses: [public, internal, personal]\n"),
        found=(("class", REPORT),),
        merged=(("contracts/classes.yml", "", "classes: [public, internal, personal]\n"),),
    ),
    "work that nobody else reads": row(PASSED, *WORK, shelf=True),
    "work that is sent to a sandbox": row(PASSED, *SENT, merged=WORK),
    "production that reads work": row(
        REFUSED, (EXP_ORDERS, "ref('shop_orders')", "ref('wrk_orders')"), merged=WORK,
        found=(("check", EXP_ORDERS),),
    ),
    "work whose time is over, that is changed": row(
        REFUSED, (WRK_ORDERS, "shop, loaves", "shop, loaves + 1 as loaves"), merged=OVER,
        found=(("expired", "dbt_project/models/work/_wrk_orders.yml"),),
    ),
    "work whose time is over, of others": row(PASSED, TWICE, merged=OVER),
    "work that gets more time": row(
        PASSED, ("dbt_project/models/work/_wrk_orders.yml", str(TODAY - timedelta(days=1)), str(NEXT_MONTH)),
        merged=OVER,
    ),
    "a source by a contract": row(APPROVAL, *NEW_SOURCE, found=(("source", "contracts/stalls.odcs.yaml"),)),
    "a source without a contract": row(
        REFUSED,
        ("dbt_project/models/staging/_more.yml", "",
         "sources:\n  - {name: other, schema: raw, tables: [{name: stalls}]}\n"),
        ("dbt_project/models/staging/stg_orders.sql", "source('raw', 'orders')", "source('other', 'stalls')"),
        found=(("check", "dbt_project/models/staging/_more.yml"),),
    ),
    "a source without an owner": row(
        REFUSED, *NEW_SOURCE, (OWNERS, "unowned.yml\n", "unowned.yml\n/contracts/stalls.odcs.yaml\n"),
        found=(("owner", "contracts/stalls.odcs.yaml"), ("source", "contracts/stalls.odcs.yaml")),
    ),
    "a source that lands elsewhere": row(
        APPROVAL, (WEATHER, "server: staging", "server: gauge"),
        (WEATHER, "version: 1.0.0", "version: 2.0.0"),
        merged=(("contracts/connectors.yml", "", "connectors:\n  - {name: staging, types: [local]}\n"
                 "  - {name: gauge, types: [local]}\n"),),
        found=(("source", WEATHER),),
    ),
    "a column that is classified otherwise": row(
        APPROVAL, (SHOPS, "description: The shop, by its code.", "classification: internal\n"
                   "        description: The shop, by its code."),
        (SHOPS, "version: 1.0.0", "version: 1.0.1"),
        found=(("class", SHOPS),),
    ),
    "an exception to a class": row(
        APPROVAL, ("dbt_project/models/marts/_marts.yml", "        trailing_days: {stg_orders: 3}\n",
                   "        trailing_days: {stg_orders: 3}\n    columns:\n      - name: town\n"
                   "        config:\n"
                   "          meta:\n            declassified:\n              {from: personal, to: internal,"
                   f" reason: Asked., by: a@bakery.example, until: {NEXT_MONTH}}}\n"),
        merged=(("contracts/classes.yml", "", "classes: [public, internal, personal]\n"
                 "indirect: {personal: allow}\n"),
                (SHOPS, "description: The town that the shop stands in.",
                 "classification: personal\n        description: The town that the shop stands in."),
                (SHOPS, "customProperties:\n", "customProperties:\n"
                 "  - {property: masking, value: {personal: keep}}\n")),
        found=(("class", "dbt_project/models/marts/_marts.yml"),),
    ),
    "a word of dbt's that is taken back": row(
        APPROVAL, (STAGED, MARKED, UNMARKED),
        merged=((STAGED, UNMARKED, MARKED),
                (SHOP_ORDERS, "mode: mirror\n", "mode: mirror\nclasses: [public, internal]\n")),
        found=(("class", STAGED),),
    ),
    "on top of what does not load": row(
        APPROVAL, (STG_ORDERS, "no_such as loaves", "loaves"), merged=((STG_ORDERS, "    loaves\n",
        "    no_such as loaves\n"),), found=(("unknown", ""),),
    ),
    "a limit that is taken away, and passed": row(
        APPROVAL, TWICE, (SHOP_ORDERS, "limits: {changed_share: 0.1}\n", ""),
        found=(("limits", SHOP_ORDERS),),
        merged=((SHOP_ORDERS, "mode: mirror\n", "mode: mirror\nlimits: {changed_share: 0.1}\n"),),
    ),
    "limits that hold less": row(
        APPROVAL,
        (SHOP_ORDERS, "{rows: {min: 1, max: 9}, empty: hold}", "{rows: {min: 0, max: 9}, empty: send}"),
        found=(("limits", SHOP_ORDERS),),
        merged=((SHOP_ORDERS, "mode: mirror\n",
                 "mode: mirror\nlimits: {rows: {min: 1, max: 9}, empty: hold}\n"),),
    ),
    "limits that hold more": row(
        PASSED, (SHOP_ORDERS, "{rows: {max: 9}}", "{rows: {min: 1, max: 8}, sums: {loaves: {min: 1}}}"),
        merged=((SHOP_ORDERS, "mode: mirror\n", "mode: mirror\nlimits: {rows: {max: 9}}\n"),),
    ),
    "an export with another owner": row(
        APPROVAL, (REPORT, "owner: counter@bakery.example", "owner: mine@bakery.example"),
        who=("@bakery/deliveries", "counter@bakery.example"), found=(("export", REPORT),),
    ),
    "the suite of what came in": row(
        PASSED, ("expectations/weather.yml", "max_value: 1000", "max_value: 999"), shelf=True
    ),
    "a suite that what came in does not pass": row(
        REFUSED, ("expectations/weather.yml", "max_value: 1000", "max_value: 0"), shelf=True,
        found=(("build", STG_WEATHER),),
    ),
    "a source, and a model that is made of it": row(
        APPROVAL, *NEW_SOURCE,
        (STG_STALLS, "",
         "{{ config(materialized='table') }}\nselect stall from {{ source('raw', 'stalls') }}\n"),
        found=(("source", "contracts/stalls.odcs.yaml"), ("unknown", STG_STALLS)), shelf=True,
    ),
    "a source that an export is made of": row(
        APPROVAL, *NEW_SOURCE,
        ("dbt_project/models/marts/shop_orders.sql", "source('raw', 'shops') }} as shops",
         "source('raw', 'stalls') }} as shops"),
        ("dbt_project/models/marts/shop_orders.sql", "shops.shop", "shops.stall"),
        ("dbt_project/models/marts/shop_orders.sql", "shops.stall,", "shops.stall as shop,"),
        found=(("source", "contracts/stalls.odcs.yaml"), ("unknown", SHOP_ORDERS)), shelf=True,
    ),
    "a comment in what guards": row(
        PASSED, (OWNERS, "/contracts/ ", "# Feeds.\n/contracts/ "),
        ("environments.yml", "work:", "# Nobody relies on it.\nwork:"),
    ),
    "the pipeline": row(
        APPROVAL, (".github/workflows/sluice.yml", "", "on: push\n"),
        found=(("guard", ".github/workflows/sluice.yml"),),
    ),
    "rows past a limit": row(
        APPROVAL, TWICE, found=(("limits", SHOP_ORDERS),), shelf=True,
        merged=((SHOP_ORDERS, "mode: mirror\n", "mode: mirror\nlimits: {changed_share: 0.1}\n"),),
    ),
    "a check that fails on what is built": row(
        REFUSED, (STG_ORDERS, "    loaves\n", "    loaves * 1000 as loaves\n"), shelf=True,
        found=(("build", "dbt_project/models/marts/shop_orders.sql"),),
    ),
    "a build that fails": row(
        REFUSED, (STG_ORDERS, "    loaves\n", "    error('no') as loaves\n"), shelf=True,
        found=(("build", STG_ORDERS),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.sampled(12)
def test_what_a_pull_request_comes_to(branch: Branch, name: str) -> None:
    asked = ROWS[name]
    for edit in asked.merged:
        branch.edit(*edit)
    if any(file.endswith(".odcs.yaml") for file, *_ in asked.merged):
        branch.sluice("contract", "sources")
    branch.git("checkout", "--quiet", "-B", "merged")
    branch.git("add", "--all")
    branch.git("commit", "--quiet", "--allow-empty", "--message", "merged")
    branch.git("checkout", "--quiet", "-B", "mine")
    for edit in asked.edits:
        branch.edit(*edit)
    if any(file.endswith(".odcs.yaml") for file, *_ in asked.edits):
        branch.sluice("contract", "sources")

    answer = branch.ci("--since", "merged", shelf=asked.shelf)

    assert not list(SCHEMA.iter_errors(answer.data))
    assert answer.code == asked.code, answer.said
    assert asked.found <= answer.found, answer.found
    heaviest = {RULES[Rule(rule)].verdict.exit_code for rule in answer.rules} - {0}
    assert (1 if 1 in heaviest else max(heaviest, default=0)) == answer.code
    verdict = {PASSED: "passed", REFUSED: "refused", APPROVAL: "approval"}[answer.code]
    assert answer.outputs == f"verdict={verdict}\n"
    if answer.code == APPROVAL:
        assert answer.data["approvers"]
        assert not asked.who or tuple(answer.data["approvers"]) == asked.who
        assert all(who in answer.comment for who in answer.data["approvers"])
    for one in answer.data["findings"]:
        assert (one["what"] and one["do"], one["file"] in answer.comment) == (one["do"], True)


def test_the_comment_says_what_reads_a_function_that_changes(branch: Branch) -> None:
    for edit in KUSTO:
        branch.edit(*edit)
    reader = ".create-or-alter function Wettest() { Towns | top 1 by days | project town }\n"
    branch.edit("kusto/functions/Wettest.kql", "", reader)
    branch.git("checkout", "--quiet", "-B", "merged")
    branch.git("add", "--all")
    branch.git("commit", "--quiet", "--message", "merged")
    branch.git("checkout", "--quiet", "-B", "mine")
    branch.edit(*OTHER_TOWNS)
    branch.edit("kusto/functions/Wettest.kql", "by days", "by rainy")
    branch.git("commit", "--quiet", "--all", "--message", "mine")
    answer = branch.ci("--since", "merged")
    assert "Towns.days" in answer.comment
    assert "**reads it**: function Wettest" in answer.comment
    assert "Must approve: @bakery/platform" in answer.comment
