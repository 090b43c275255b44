"""What `gate`, `run`, `status`, `rerun` print: each reason once, what to do below it, and the exit code."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from orchestration.gate.findings import Finding, GateReport, Verdict
from orchestration.operations.status import Standing
from tests.company import MON, SHOP_ORDERS, TUE, WEATHER_REPORT, WED, Company
from tests.typed import sluice

pytestmark = [pytest.mark.long, pytest.mark.stories(2)]
BROKEN = f"date,town,rain_mm\n{TUE},Ulm,much\n"


def refused(company: Company) -> None:
    company.land_orders(TUE, a=1)
    company.land("weather", TUE, BROKEN)


def failed(company: Company) -> None:
    company.land_orders(TUE, a=1)
    company.land_weather(TUE, rain=-1)


@dataclass(frozen=True)
class Trouble:
    """What lands, the reason that is to be told once, what is told below it, and what it holds back."""

    lands: Callable[[Company], None]
    reason: str
    below: str
    holds: tuple[str, ...] = (SHOP_ORDERS, WEATHER_REPORT)


TROUBLES = {
    "a drop is refused": Trouble(
        refused, "column `rain_mm` does not hold", "have the provider land a corrected drop",
    ),
    "a check fails": Trouble(
        failed, "1 of 3 rules fail",
        f"fix the model or its input, then `sluice table rerun staging.stg_weather --partition {TUE}`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("trouble", [pytest.param(item, id=name) for name, item in TROUBLES.items()])
@pytest.mark.sampled(2)
def test_each_reason_is_told_once_with_what_to_do_below_it(open_bakery: Company, trouble: Trouble) -> None:
    trouble.lands(open_bakery)
    code, said = sluice(open_bakery, "run")
    lines = said.splitlines()
    [at] = [number for number, line in enumerate(lines) if trouble.reason in line]
    story = lines[lines.index("needs attention: 1 cause (docs/runbook.md)") :]
    assert code == 1
    assert lines[at].startswith("✗ ")
    assert f"  → {trouble.below}" in story
    assert "table never built" not in said
    held = [line for line in story if line.startswith("  holds back: ")]
    assert held == [f"  holds back: {', '.join(f'{name} [{TUE}]' for name in trouble.holds)}"]
    assert sum("sluice table rerun" in line for line in story) == ("rerun" in trouble.below)

    code, said = sluice(open_bakery, "status")
    assert code == 0
    assert said.splitlines()[0] == "needs attention: 1 cause (docs/runbook.md)"
    assert f"  → {trouble.below}" in said.splitlines()

    for export in trouble.holds:
        code, said = sluice(open_bakery, "why", export, "--partition", TUE)
        heading, reason, fix, *rest = said.splitlines()
        assert (code, heading) == (1, f"closed: {export} [{TUE}] is not sent")
        assert reason.startswith("- ")
        assert trouble.reason in reason
        assert fix == f"  → {trouble.below}"
        assert not [line for line in rest if "→" in line]
    open_bakery.land_weather(TUE)
    assert sluice(open_bakery, "run")[0] == 0


def test_an_export_without_a_connection_is_one_line(open_bakery: Company) -> None:
    connections = dict(open_bakery.settings.connections)
    connections.pop("miller")
    settings = open_bakery.settings.model_copy(update={"connections": connections})
    company = replace(open_bakery, settings=settings)
    for day in (TUE, WED):
        company.land_day(day, a=1)
    for command in ("run", "status"):
        code, said = sluice(company, command)
        told = [line for line in said.splitlines() if WEATHER_REPORT in line and "not configured" in line]
        assert (code, len(told)) == (0, 1), said
        assert told[0].startswith(f"– {WEATHER_REPORT} is not configured, and skipped ({WED} and 1 more): ")
        assert "set SLUICE_CONNECTION_MILLER, then `sluice run --retry`" in told[0]
        assert "needs attention" not in said


def test_a_rerun_tells_rows_and_where_they_went(open_bakery: Company) -> None:
    code, said = sluice(open_bakery, "table", "rerun", "staging.stg_orders", "--partition", MON)
    assert code == 0
    assert (
        "    built: staging.stg_orders 2 rows, marts.shop_orders 2 rows, exports.exp_shop_orders 2 rows"
        in said
    )
    assert f"    {SHOP_ORDERS}: 2 rows, " in said
    assert '"bakery"."shop_orders"' in said.partition(f"    {SHOP_ORDERS}: 2 rows, ")[2]


def as_json(company: Company, *arguments: str) -> tuple[int, Any]:
    code, said = sluice(company, *arguments, "--json")
    return code, json.loads(said)


def test_json_has_keys_that_stay_and_agrees_with_the_exit_codes(open_bakery: Company) -> None:
    code, found = as_json(open_bakery, "why", WEATHER_REPORT, "--partition", MON)
    assert (code, found["open"], found["steps"]) == (0, True, [])
    assert (sluice(open_bakery, "run")[0], as_json(open_bakery, "status")[1]["needs_attention"]) == (0, 0)

    failed(open_bakery)
    assert sluice(open_bakery, "run")[0] == 1
    code, found = as_json(open_bakery, "why", WEATHER_REPORT, "--partition", TUE)
    assert (code, found.keys()) == (1, {"export", "partition", "open", "steps", "releases", "findings"})
    assert (found["export"], found["partition"], found["open"]) == (WEATHER_REPORT, TUE, False)
    [step] = found["steps"]
    assert step.keys() == {"reasons", "fix"}
    [reason] = [item for item in found["findings"] if item["reason"]]
    assert reason.keys() == {
        "table", "partition", "check", "verdict", "summary", "closes", "reason", "fix", "version",
        "judged_at", "run_id",
    }  # fmt: skip
    assert (reason["table"], reason["check"], reason["verdict"]) == (
        "staging.stg_weather", "expectations", "failed",
    )  # fmt: skip
    assert step["fix"] == reason["fix"]
    assert reason["summary"] in step["reasons"][0]

    code, found = as_json(open_bakery, "status")
    assert code == 0
    row = next(row for row in found["rows"] if (row["name"], row["partition"]) == (WEATHER_REPORT, TUE))
    assert row.keys() == {"kind", "name", "partition", "standing", "rows", "why", "needs_attention"}
    assert (row["kind"], row["standing"], row["needs_attention"]) == ("export", "held", True)
    assert found["needs_attention"] == sum(row["needs_attention"] for row in found["rows"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("why", "exp_weather", "--partition", MON),
        ("why", WEATHER_REPORT, "--partition", "yesterday"),
        ("table", "rerun", "staging.weather", "--partition", MON),
        ("table", "judge", "staging.stg_weather", "--from", WED, "--to", MON),
    ],
)
def test_what_cannot_be_asked_so_ends_with_2(open_bakery: Company, arguments: tuple[str, ...]) -> None:
    code, said = sluice(open_bakery, *arguments)
    assert code == 2
    assert "did you mean" in said or "expect" in said


DAYS = (MON, TUE, WED)


def finding(key: str, verdict: Verdict, check: str = "", summary: str = "why") -> Finding:
    return Finding("marts.sums", key, check, verdict, summary, "v" + key, None)


RANGES = {
    "built by older SQL": (
        [finding(day, Verdict.OLDER_SQL) for day in DAYS], {"marts.sums"},
        [([f"marts.sums [{MON} and 2 more]: built by older SQL: why"],
          f"`sluice table rerun marts.sums --from {MON} --to {WED}`")],
    ),
    "of different kinds": (
        [finding(MON, Verdict.RESTORED), finding(WED, Verdict.OLDER_SQL)], {"marts.sums"},
        [(
            [f"marts.sums [{MON}]: older than the newest build on record: why",
             f"marts.sums [{WED}]: built by older SQL: why"],
            f"`sluice table rerun marts.sums --from {MON} --to {WED}`",
        )],
    ),
    "what is not on record is in no range": (
        [finding(MON, Verdict.UNRECORDED), finding(TUE, Verdict.OLDER_SQL)], {"marts.sums"},
        [([f"marts.sums [{MON}]: its build is not on record: why"],
          f"`sluice table rerun marts.sums --partition {MON}`"),
         (
             [f"marts.sums [{TUE}]: built by older SQL: why"],
             f"`sluice table rerun marts.sums --partition {TUE}`",
         )],
    ),
    "drops have no order": (
        [finding("b", Verdict.OLDER_SQL), finding("a", Verdict.OLDER_SQL)], set[str](),
        [(["marts.sums [b]: built by older SQL: why"], "`sluice table rerun marts.sums --partition b`"),
         (["marts.sums [a]: built by older SQL: why"], "`sluice table rerun marts.sums --partition a`")],
    ),
    "never judged by today's rules": (
        [finding(day, Verdict.OTHER_RULES, "expectations") for day in DAYS], {"marts.sums"},
        [([f"marts.sums [{MON} and 2 more] check `expectations`: never ran by today's rules: why"],
          f"`sluice table judge exports.sums --from {WED} --to {WED} --with-parents`")],
    ),
    "two checks of a table failed": (
        [finding(MON, Verdict.FAILED, check) for check in ("a", "b")], {"marts.sums"},
        [([f"marts.sums [{MON}] check `{check}`: failed: why" for check in ("a", "b")],
          f"fix the model or its input, then `sluice table rerun marts.sums --partition {MON}`")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_what_is_the_same_of_many_partitions_is_told_once(name: str) -> None:
    findings, timed, expected = RANGES[name]
    report = GateReport("exports.sums", WED, tuple(findings), {}, timed=frozenset(timed))
    assert [(list(step.reasons), step.fix) for step in report.story] == expected


def test_a_delivered_day_whose_gate_is_closed_since_says_so(open_bakery: Company) -> None:
    """Somebody pressed a button: what was sent stays, and nobody has to do anything."""
    assert open_bakery.materialize(MON, "marts/shop_orders") == (True, "")
    assert sluice(open_bakery, "why", SHOP_ORDERS, "--partition", MON)[0] == 1
    code, said = sluice(open_bakery, "run")
    assert (code, "needs attention" in said) == (0, False), said
    row = open_bakery.status()[(SHOP_ORDERS, MON)]
    assert row.standing is Standing.DELIVERED
    assert "would not go out as it is: exports.exp_shop_orders" in row.why
    assert "`sluice table rerun exports.exp_shop_orders --partition 2024-01-01`" in row.why
