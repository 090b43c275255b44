"""The documents as a site: each is a page, search finds it, and no reader's browser asks another host."""

import json
import re
from pathlib import Path

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from sluicegate.core.settings import REPOSITORY

from tests.documents.reading import TRACKED
from tests.documents.site import BESIDE

# What a browser fetches of itself; a link waits for a click.
_FETCHED = re.compile(
    r"""(?:\bsrc=|<link[^>]*\bhref=|\bimport\(|url\()["']?(https?:)?//(?!www\.w3\.org)[^"')\s]+"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    # As `make lint` does; what leads nowhere is an error.
    build(load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder), strict=True))
    return folder


def test_every_document_is_a_page_that_search_finds(site: Path) -> None:
    documents = [name for name in TRACKED if name.startswith("docs/") and name.endswith(".md")]
    pages = {name.removeprefix("docs/") for name in documents} | set(BESIDE.values())
    made = {page.removesuffix(".md").replace("README", "index") + ".html" for page in pages}
    assert [page for page in sorted(made) if not (site / page).is_file()] == []
    indexed = {item["location"].partition("#")[0] for item in _index(site)}
    assert made - indexed == set()


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert [(page.name, found[0]) for page in pages for found in _FETCHED.finditer(page.read_text())] == []


def test_decisions_are_not_in_the_navigation(site: Path) -> None:
    page = (site / "architecture.html").read_text()
    navigation = page.partition('<nav class="md-nav md-nav--primary')[2].partition("</nav>\n    </div>")[0]
    assert "decisions/index.html" in page
    assert re.findall(r'href="decisions/0\d+[^"]*"[^>]*class="md-nav__link"', page + navigation) == []


def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[there](nowhere.md)\n")
    own = (REPOSITORY / "mkdocs.yml").read_text().partition("\nhooks:")[0]
    rules = (REPOSITORY / "mkdocs.yml").read_text().partition("\nvalidation:")[2]
    (tmp_path / "mkdocs.yml").write_text(f"{own}\nvalidation:{rules}")
    with pytest.raises(BaseException, match="strict mode"):
        build(load_config(str(tmp_path / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))


def _index(site: Path) -> list[dict[str, str]]:
    return json.loads((site / "search" / "search_index.json").read_text())["docs"]
