"""The page as files, and in a real browser; and what a step said, from Dagster's own records of it.

Belongs here: files, the browser, logs. Does not: what pages say (`test_pages`).
"""

import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from orchestration.core.shown_text import Near
from orchestration.graph.instance import prepare_home
from orchestration.graph.step_log import LAST_BYTES, reading, step_log
from orchestration.page.logs import Cleaned, log
from orchestration.page.pages import Pages
from orchestration.page.written import write
from tests.company import SHOP_ORDERS, TUE
from tests.page.conftest import PASSWORD, Shown
from tests.page.crawling import Read, crawled, of_files, of_server
from tests.typed import sluice

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
VALUE = "Zq07Vkxw.Kanarie"


@pytest.fixture(scope="module")
def folder(shop: Shown, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the shop as files."""
    made = tmp_path_factory.mktemp("page") / "out"
    pages = Pages(shop.company.deployment, shop.reading, written=True)
    assert write(pages, made, print) > 20
    return made


def main_of(page: Read) -> str:
    """Return what is on a page without its frame, which leads elsewhere."""
    return Read(page.html.partition("<main>")[2].partition("</main>")[0]).text


def test_files_say_what_the_server_says_and_their_links_lead_to_files(shop: Shown, folder: Path) -> None:
    files, served = crawled(of_files(folder)), crawled(of_server(shop.html))
    assert set(files) - {"names.html"} == set(served)
    for path, page in served.items():
        if not path.startswith("logs/"):
            assert main_of(files[path]) == main_of(page), path
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*.html")}
    assert len(written) == len(files) + 1, "and the page of columns"
    assert SHOP_ORDERS in (folder / "data-docs/lineage.html").read_text()
    assert "<form" not in "".join(
        path.read_text() for path in folder.rglob("*.html") if "data-docs" not in str(path)
    )


def test_the_command_writes_them_in_the_place_of_the_last_ones(shop: Shown, tmp_path: Path) -> None:
    for _ in range(2):
        code, said = sluice(shop.company, "page", "write", "--out", str(tmp_path / "out"))
        assert (code, f"open {tmp_path / 'out' / 'index.html'}" in said) == (0, True), said
        assert f"staging.stg_orders [{TUE}]" in (tmp_path / "out/index.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize(("name", "of_older_version", "kept"), [
    ("mine.txt", False, True), (".git/HEAD", False, True), ("owners/mine.html", False, True),
    ("mine.txt", True, True), ("old.html", True, False),
])  # fmt: skip
def test_what_somebody_put_beside_the_pages_stays(
    shop: Shown, folder: Path, tmp_path: Path, name: str, of_older_version: bool, kept: bool
) -> None:
    made = shutil.copytree(folder, tmp_path / "out")
    if of_older_version:
        (made / ".sluice-page").write_text("")
    (made / name).parent.mkdir(exist_ok=True)
    (made / name).write_text("mine")
    pages = Pages(shop.company.deployment, shop.reading, written=True)
    if kept:
        with pytest.raises(ValueError, match=f"has other things in it, as {name}; expected an empty folder"):
            write(pages, made, print)
    else:
        write(pages, made, print)
    assert (made / name).exists() == kept


def browsed(url: str, folder: Path, *options: str) -> tuple[str, str]:
    """Return what a browser makes of a page, and what it complains of."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
         "--virtual-time-budget=4000", "--enable-logging=stderr", *options, "--dump-dom", url],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@needs_chromium
def test_a_browser_shows_the_page_and_refuses_nothing_of_it(shop: Shown, tmp_path: Path) -> None:
    dom, complaints = browsed(f"{shop.url}/index.html", tmp_path)
    assert f"staging.stg_orders [{TUE}]" in Read(dom).text
    assert "Content Security Policy" not in complaints


@needs_chromium
def test_no_page_is_wider_than_a_phone(folder: Path, tmp_path: Path) -> None:
    """All kinds of pages, one below the other, measured by a script that their own policy would refuse."""
    kinds = {
        path.relative_to(folder).parts[0]: path
        for path in folder.rglob("*.html")
        if "data-docs" not in str(path)
    }
    texts = [path.read_text() for path in kinds.values()]
    head = texts[0].partition("<style>")[2].partition("</style>")[0]
    mains = "".join(text.partition("</header>")[2].partition("<footer>")[0] for text in texts)
    mains = mains.replace("<details", "<details open")
    script = "<script>document.title = document.documentElement.scrollWidth + ' of ' + innerWidth</script>"
    viewport = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    (tmp_path / "all.html").write_text(
        f"<html><head>{viewport}<style>{head}</style></head><body>{mains}{script}"
    )
    dom, _ = browsed((tmp_path / "all.html").as_uri(), tmp_path / "profile", "--window-size=390,844")
    width, _, inner = dom.partition("<title>")[2].partition("</title>")[0].partition(" of ")
    assert int(width) <= int(inner) <= 500, (width, inner)
    assert len(kinds) > 7


# -- what a step said


@contextmanager
def ran(shop: Shown) -> Generator[str]:
    """A run of Dagster's whose step writes much, a secret and a value among it, and fails."""
    settings = shop.company.settings
    prepare_home(settings)

    @dg.op(name="staging__stg_orders")
    def noisy() -> None:
        print("first line")
        print("x" * LAST_BYTES)
        print(f"connecting with {PASSWORD}", file=sys.stderr)
        print(f"the column holds {VALUE}", flush=True)
        raise ValueError(f"could not convert {VALUE}")

    @dg.job
    def one() -> None:
        noisy()

    with reading(settings) as instance:
        assert instance is not None
        tags = {"dagster/partition": TUE}
        yield one.execute_in_process(instance=instance, raise_on_error=False, tags=tags).run_id


def test_the_end_of_a_steps_output_is_shown_and_no_secret_of_it(own_shop: Shown) -> None:
    with ran(own_shop) as run_id:
        page = Read(own_shop.html(f"logs/{run_id}/staging__stg_orders.html"))
        assert f"the column holds {VALUE}" in page.text
        assert ("first line" in page.text, "It is longer" in page.text) == (False, True)
        assert "connecting with ***" in page.text
        assert PASSWORD not in page.html
        assert "could not convert" in page.text, "what it failed with"
        assert page.typed == [f"sluice table rerun staging.stg_orders --partition {TUE}"]
        assert len(page.html) < 4 * LAST_BYTES
        with reading(own_shop.company.settings) as instance:
            assert instance is not None
            assert step_log(instance, "nobody", "") is None
            whole = step_log(instance, run_id, "")
            assert whole is not None
            assert whole.status == "FAILURE"

        # Near classified values, and in files, known words alone are kept.
        look = replace(own_shop.pages.look(), written=True)
        kept = log(look, run_id, "staging__stg_orders")
        told = "\n".join([*(text for _, text in kept.outputs), *(line.said for line in kept.lines)])
        assert ("the column holds …" in told, VALUE in told) == (True, False)


def test_secrets_are_taken_out_in_each_form(shop: Shown) -> None:
    clean = Cleaned(shop.company.settings, Near())
    from urllib.parse import quote

    url = shop.company.settings.connections["shop_screens"].get_secret_value()
    for form in (PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), url):
        assert clean(f"it said {form} there").startswith("it said "), form
        assert PASSWORD not in clean(f"it said {form} there")
        assert quote(PASSWORD, safe="") not in clean(form)
