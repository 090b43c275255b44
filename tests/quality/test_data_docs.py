"""Data Docs of kept results: what the pages say, when they are made anew, and how they are served."""

import html
import http.client
import logging
import re
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sluicegate.columns.lineage_page import LINEAGE_PAGE
from sluicegate.core.settings import Settings
from sluicegate.core.severity import Severity
from sluicegate.page.data_docs import FOLDER, site_dir
from sluicegate.page.reading import Reading
from sluicegate.page.serving import Door, PageServer
from sluicegate.quality import results
from sluicegate.quality.data_docs.site import build_data_docs, shows_newest
from sluicegate.quality.rule_results import Outcome, RuleResult
from sluicegate.quality.suites import CHECK_NAME, Rule
from sluicegate.state.deployment import Deployment
from sluicegate.state.results import Judgement, Results

from tests.company import BAKERY, MON, TUE, WED, Company
from tests.quality.every_expectation import CASES

pytestmark = pytest.mark.long
ORDERS, SHOPS = "raw.orders", "raw.shops"
EARLIER = "2023-12-31"
FEW = "from 1 to 10 rows"
COUNT = Rule(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1, "max_value": 10})
LOAVES = Rule(type="expect_column_values_to_be_between", kwargs={"column": "loaves", "min_value": 1})
MEDIAN = Rule(
    type="expect_column_quantile_values_to_be_between",
    kwargs={"column": "loaves", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[1, 2]]}},
    severity=Severity.WARNING,
)
MEAN = Rule(
    type="expect_column_mean_to_be_between",
    kwargs={"column": "loaves", "min_value": {"$PARAMETER": "loaves.mean.previous"}},
)
PASSED = RuleResult(COUNT, Outcome.PASSED, expected=FEW, observed="4 rows", observed_value=4)
FAILED = RuleResult(
    LOAVES, Outcome.FAILED, expected="at least 1", observed="2 of 4 rows", rows=4, failing_rows=2,
    failing_share=0.5, sample=({"shop": results.MASK, "loaves": -1}, {"shop": None, "loaves": "<b>0</b>"}),
)  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A bakery that has judged nothing yet."""
    return Settings.load({}, project_dir=BAKERY, data_dir=tmp_path / "data")


def keep(
    settings: Settings, relation: str, partition_key: str, *said: RuleResult, at: str = "2024-02-01 06:00"
) -> Results:
    """Keep what was said of a partition."""
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    on_record = Deployment(settings).store.results
    on_record.keep(
        Judgement(relation, partition_key, CHECK_NAME, "v1", f"run at {at}", moment, results.kept(said))
    )
    return on_record


def text(page: Path) -> str:
    """Return what a reader sees of a page."""
    without = re.sub(r"<(style|script)>.*?</\1>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without)).split())


def pages(site: Path, relation: str) -> dict[str, Path]:
    """Return {partition: page} of a table's results."""
    found = (site / "validations" / Path(*relation.split("."))).rglob("*.html")
    return {page.parent.parent.name: page for page in found}


def test_a_page_says_what_was_kept_of_a_table_and_a_day(settings: Settings) -> None:
    broken = RuleResult(MEDIAN, Outcome.ERROR, expected="1 to 2", error="no such column")
    new = RuleResult(MEAN, Outcome.NO_HISTORY, expected="as yesterday", observed="3.5")
    keep(settings, ORDERS, MON, PASSED, FAILED, broken, new)
    on_record = keep(settings, SHOPS, "", PASSED)

    index = build_data_docs(on_record, site_dir(settings))

    shown = text(index)
    assert [part in shown for part in (ORDERS, MON, SHOPS, "snapshot")] == [True] * 4
    page = text(pages(index.parent, ORDERS)[MON])
    assert f"Expectation Suite: {ORDERS}" in page
    assert "Status: Failed" in page
    assert "less than or equal to 10 rows. from 1 to 10 rows 4 rows passed critical" in page
    assert "2 unexpected values found. 50% of 4 total rows." in page
    assert "at least 1 2 of 4 rows failed critical" in page
    assert "1 to 2 no such column did not run warning" in page
    assert "as yesterday 3.5 no history yet critical" in page
    assert "Status: Succeeded" in text(pages(index.parent, SHOPS)["snapshot"])
    rules = text(index.parent / "expectations" / "raw" / "orders.html")
    assert "4 total Expectations across 1 columns" in rules


def test_a_warning_fails_no_page(settings: Settings) -> None:
    warned = RuleResult(MEDIAN, Outcome.FAILED, expected="1 to 2", observed="7")
    on_record = keep(settings, ORDERS, MON, PASSED, warned)
    index = build_data_docs(on_record, site_dir(settings))
    assert "Status: Succeeded" in text(pages(index.parent, ORDERS)[MON])


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.PASSED, Outcome.ERROR])
def test_gx_words_every_core_expectation(
    settings: Settings, caplog: pytest.LogCaptureFixture, outcome: Outcome
) -> None:
    counted = RuleResult(
        COUNT, outcome, observed="seen", rows=4, failing_rows=2, failing_share=0.5, sample=({"shop": "a"},)
    )
    bare = RuleResult(COUNT, outcome, observed="seen")
    like = counted if outcome is Outcome.FAILED else bare
    said = [
        replace(like, rule=Rule(type=name, kwargs=kwargs), expected=f"{name} holds")
        for name, (kwargs, _) in CASES.items()
    ]
    on_record = keep(settings, ORDERS, MON, *said)
    page = text(pages(build_data_docs(on_record, site_dir(settings)).parent, ORDERS)[MON])
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [name for name in CASES if f"{name} holds seen {outcome.value} critical" not in page] == []


def test_failing_rows_are_shown_as_they_were_kept_and_never_as_markup(settings: Settings) -> None:
    on_record = keep(settings, ORDERS, MON, FAILED)
    index = build_data_docs(on_record, site_dir(settings))
    page = pages(index.parent, ORDERS)[MON]
    assert '{"shop": "***", "loaves": -1}' in text(page)
    assert '{"shop": null, "loaves": "<b>0</b>"}' in text(page)
    assert "<b>0" not in page.read_text()


def test_no_page_needs_another_server(settings: Settings) -> None:
    on_record = keep(settings, ORDERS, MON, PASSED, FAILED)
    index = build_data_docs(on_record, site_dir(settings))
    made = list(index.parent.rglob("*.html"))
    assert len(made) == 3
    for page in made:
        content = page.read_text()
        loaded = re.findall(r"""(?:src|url)\s*[=(]\s*["']?([^"')\s>]+)|<link[^>]*href="([^"]+)""", content)
        named = [source or link for source, link in loaded]
        assert named
        for name in named:
            assert not urlsplit(name).netloc
            assert (page.parent / name).resolve().is_file(), f"{name} of {page} is not there"


def test_the_newest_days_are_shown_each_as_it_was_judged_last(settings: Settings) -> None:
    for day in (MON, TUE, WED):
        keep(settings, ORDERS, day, FAILED)
    on_record = keep(settings, ORDERS, TUE, PASSED, at="2024-02-02 06:00")
    index = build_data_docs(on_record, site_dir(settings), newest_per_table=2)
    shown = pages(index.parent, ORDERS)
    assert set(shown) == {TUE, WED}
    assert "Status: Succeeded" in text(shown[TUE])
    assert "Status: Failed" in text(shown[WED])


def test_a_site_is_made_anew_when_something_was_judged(settings: Settings) -> None:
    site = site_dir(settings)
    on_record = keep(settings, ORDERS, MON, FAILED)
    assert not shows_newest(on_record, site)
    index = build_data_docs(on_record, site, newest_per_table=1)
    assert shows_newest(on_record, site)
    first = index.stat()

    keep(settings, ORDERS, EARLIER, PASSED)
    assert not shows_newest(on_record, site)
    build_data_docs(on_record, site, newest_per_table=1)
    assert shows_newest(on_record, site)
    assert index.stat() == first, "nothing that is shown was judged: the site need not be made anew"

    keep(settings, ORDERS, MON, PASSED, at="2024-02-02 06:00")
    assert not shows_newest(on_record, site)
    build_data_docs(on_record, site, newest_per_table=1)
    assert "Status: Succeeded" in text(pages(site, ORDERS)[MON])
    assert len(pages(site, ORDERS)) == 1
    left = {path.name for path in settings.data_dir.iterdir()}
    own = {".partial", "deployment.json", "state.db", "state.db-shm", "state.db-wal"}
    assert left - own == {"data_docs", "data_docs.lock"}


def test_the_command_says_where_the_site_begins(settings: Settings, tmp_path: Path) -> None:
    keep(settings, ORDERS, MON, PASSED)
    code, written, complained = Company(settings, "", tmp_path).sluice("page", "data-docs")
    assert (code, complained) == (0, "")
    assert Path(written.strip()) == site_dir(settings) / "index.html"
    assert ORDERS in text(Path(written.strip()))


def test_beside_the_pages_is_that_of_todays_columns_which_each_links_to(
    settings: Settings, tmp_path: Path
) -> None:
    keep(settings, ORDERS, MON, FAILED)
    company = Company(settings, "", tmp_path).with_own_project()
    site, export = site_dir(settings), company.settings.project_dir / "exports/exp_shop_orders.yml"
    assert company.sluice("page", "data-docs")[0] == 0
    columns, index = site / LINEAGE_PAGE, site / "index.html"
    assert "counter@bakery.example" in columns.read_text()
    for page in [index, *site.glob("validations/**/*.html"), *site.glob("expectations/**/*.html")]:
        [to] = re.findall(f'href="([^"]*{LINEAGE_PAGE})"', page.read_text())
        assert (page.parent / to).resolve() == columns.resolve(), page
    assert (columns.parent / re.findall(r'<a href="(index.html)"', columns.read_text())[0]).exists()

    first = index.stat()
    export.write_text(export.read_text().replace("counter@", "till@"))
    assert company.sluice("page", "data-docs")[0] == 0
    assert "till@bakery.example" in columns.read_text()
    assert index.stat() == first, "no result is another"

    export.write_text(export.read_text().replace("mode: mirror", "mode: miror"))
    keep(settings, ORDERS, TUE, PASSED)
    code, _, told = company.sluice("page", "data-docs")
    assert code == 0
    assert f"{LINEAGE_PAGE} is not renewed: the project does not load; `sluice check` says why" in told
    assert TUE in pages(site, ORDERS), "what was judged is shown all the same"
    assert "till@bakery.example" in columns.read_text(), "as it was"


@contextmanager
def serving(settings: Settings) -> Generator[PageServer]:
    """Serve the page, Data Docs in it."""
    with closing(Deployment(settings)) as deployment:
        server = PageServer(deployment, Reading(settings), Door())
        with server.serving():
            yield server


def get(server: PageServer, path: str, host: str = "") -> tuple[int, str]:
    """Ask as a browser does; return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request("GET", f"/{FOLDER}{path}", headers={"Host": host} if host else {})
        answer = connection.getresponse()
        assert answer.status >= 400 or "default-src 'self'" in (
            answer.getheader("Content-Security-Policy") or ""
        )
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def test_what_is_served_is_of_the_newest_results_and_of_the_project_as_it_is_now(
    settings: Settings, tmp_path: Path
) -> None:
    """One story: the site is made by a process of its own, which takes seconds to start."""
    company = Company(settings, "", tmp_path).with_own_project()
    settings = company.settings
    # Its process has nothing to parse, which would take longer than all else here.
    assert company.project.exports
    export = settings.project_dir / "exports/exp_shop_orders.yml"
    keep(settings, ORDERS, MON, FAILED)
    with serving(settings) as server:
        status, body = get(server, "/")
        assert (status, MON in body, TUE in body) == (200, True, False)
        status, body = get(server, f"/{LINEAGE_PAGE}")
        assert (status, "counter@bakery.example" in body) == (200, True)

        # Nothing but the site, and only to those who asked for this machine.
        assert get(server, "/../state.db")[0] == 404
        assert get(server, "/%2e%2e/state.db")[0] == 404
        assert get(server, "/validations/")[0] == 404
        assert get(server, "/", host=f"evil.example:{server.port}")[0] == 421
        assert get(server, "/", host=f"localhost:{server.port}")[0] == 200

        export.write_text(export.read_text().replace("counter@", "till@"))
        status, body = get(server, f"/{LINEAGE_PAGE}?again#exp_shop_orders")
        assert (status, "till@bakery.example" in body) == (200, True)
        keep(settings, ORDERS, TUE, PASSED)
        status, body = get(server, "/index.html")
        assert (status, MON in body, TUE in body) == (200, True, True)
        page = pages(site_dir(settings), ORDERS)[TUE].relative_to(site_dir(settings)).as_posix()
        assert get(server, f"/{page}")[0] == 200

    # One that has ended leaves its port and no process.
    with pytest.raises(ConnectionRefusedError):
        get(server, "/")


def test_a_site_that_cannot_be_made_is_told(settings: Settings) -> None:
    keep(settings, ORDERS, MON, FAILED)
    with serving(settings) as server:
        for name in ("state.db-wal", "state.db-shm"):
            (settings.data_dir / name).unlink(missing_ok=True)
        (settings.data_dir / "state.db").write_bytes(b"no database at all" * 999)
        assert get(server, "/")[0] == 503
