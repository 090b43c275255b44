"""`sluice env publish`: what it says, and who may not.

Belongs here: the command and its refusals. Does not: what is published (`test_publish`).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from orchestration.areas import Area
from orchestration.core.settings import Settings
from orchestration.graph.publishing import publishing_schedules
from orchestration.operations.publishing import publishing_of
from orchestration.operations.site import Site
from orchestration.publishing.shelf import Shelf
from orchestration.state.deployment import Deployment
from tests.company import BAKERY, Company
from tests.parses import loaded
from tests.publishing.shelves import newest
from tests.publishing.test_publish import published, with_shelf

Mend = Callable[[Path], object]


def empty(folder: Path, parsed: Path, **variables: str) -> Company:
    """Return a bakery at which nothing has happened, that reaches no server."""
    shutil.copytree(parsed, folder / "data")
    (folder / "data" / "deployment.json").unlink(missing_ok=True)
    for file in (folder / "data").glob("state.db*"):
        file.unlink()
    settings = Settings.load(variables, project_dir=BAKERY, data_dir=folder / "data")
    return Company(settings, "", folder / "container")


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({}, 2, "publishes nowhere; expected a place in SLUICE_PUBLISHED_URL"),
        ({"SLUICE_ENVIRONMENT": "scratch:ada"}, 2, "this deployment is `scratch`, which publishes nothing"),
        ({"SLUICE_ENVIRONMENT": "work"}, 2, "this deployment is `work`, which publishes nothing"),
    ],
)
def test_who_publishes_nothing_is_told_so(
    variables: dict[str, str], code: int, said: str, tmp_path: Path, parsed_bakery: Path
) -> None:
    company = empty(tmp_path, parsed_bakery, **variables)
    shelf = {"SLUICE_PUBLISHED_URL": str(tmp_path / "shelf")} if variables else {}
    ended, _, complained = company.sluice("env", "publish", **variables, **shelf)
    assert (ended, said in " ".join(complained.split())) == (code, True), complained
    assert not (tmp_path / "shelf").exists()
    if shelf:  # nor does a run
        settings = company.settings.model_copy(update={"published_url": shelf["SLUICE_PUBLISHED_URL"]})
        site = Site(Deployment(settings), loaded(settings))
        assert publishing_of(site) is None
        [nightly] = publishing_schedules(site)  # which sweeps, and does not fail each night
        job = nightly.job
        assert isinstance(job, dg.JobDefinition)
        assert job.execute_in_process().success
        assert not (tmp_path / "shelf").exists()


def test_it_says_what_it_has_done_and_does_it_once(open_bakery: Company, tmp_path: Path) -> None:
    company = with_shelf(open_bakery, tmp_path / "shelf")
    ended, said, told = company.sluice("env", "publish")
    assert (ended, said.strip()) == (0, "8 partitions published, 0 taken out; catalogue 000000000001")
    assert "marts.shop_orders: 1 published, 0 taken out" in told
    ended, said, _ = company.sluice("env", "publish", "--json")
    assert (ended, json.loads(said)) == (
        0, {"catalogue": "", "published": [], "taken_out": [], "refused": {}},
    )  # fmt: skip
    ended, _, complained = company.sluice("env", "publish", "marts.shop_order")
    assert (ended, "did you mean `marts.shop_orders`?" in complained) == (2, True)
    # A person who is forgotten is gone from there, on the day that the command says.
    ended, said, _ = company.sluice("delivery", "forget", "shop=a", "--reason", "request 17")
    assert ended == 0
    assert "are gone by" in said
    publishing = publishing_of(company.site)
    assert publishing is not None
    [(_, rows)] = [item for (name, _), item in published(publishing).items() if name == "marts.shop_orders"]
    assert [row[1] for row in rows] == ["b"]
    # Nobody publishes where another deployment does, nor what newer code has written.
    shelf = Shelf(Area(str(tmp_path / "shelf")))
    first = newest(shelf)
    shelf.add(replace(first, name="000000000099", deployment="another"))
    ended, _, complained = company.sluice("env", "publish")
    assert ended == 1
    assert "is of deployment another, epoch" in " ".join(complained.split())
    newer = tmp_path / "shelf" / "catalogues" / "000000000100.json"
    newer.write_text(json.dumps({"form": 2}))
    ended, _, complained = company.sluice("env", "publish")
    assert ended == 1
    assert "has form 2; expected 1 at most" in " ".join(complained.split())


def _catalogue_cut_short(shelf: Path) -> None:
    max((shelf / "catalogues").iterdir()).write_bytes(b"")


def _no_folder(shelf: Path) -> None:
    """As a place that cannot be written to; rights alone are nothing to the account of a container."""
    shutil.rmtree(shelf / "tables" / "marts")
    (shelf / "tables" / "marts").write_text("")


def _no_commit(shelf: Path) -> None:
    """What delta-rs writes fails, in words of its own."""
    shutil.rmtree(shelf / "tables" / "marts" / "shop_orders" / "_delta_log")
    (shelf / "tables" / "marts" / "shop_orders" / "_delta_log").write_text("")


@pytest.mark.parametrize(
    ("wrong", "said", "mend"),
    [
        (_no_folder, "cannot be published to (", lambda shelf: (shelf / "tables" / "marts").unlink()),
        (
            _no_commit, "cannot be published to (",
            lambda shelf: (shelf / "tables" / "marts" / "shop_orders" / "_delta_log").unlink(),
        ),
        (
            _catalogue_cut_short, "is damaged (JSONDecodeError)",
            lambda shelf: max((shelf / "catalogues").iterdir()).unlink(),
        ),
    ],
)  # fmt: skip
def test_a_shelf_that_cannot_be_had_is_told_with_what_to_do(
    open_bakery: Company, tmp_path: Path, wrong: Mend, said: str, mend: Mend
) -> None:
    shelf = tmp_path / "shelf"
    company = with_shelf(open_bakery, shelf)
    assert company.sluice("env", "publish")[0] == 0
    wrong(shelf)
    ended, _, complained = company.sluice("env", "publish")
    assert (ended, said in " ".join(complained.split())) == (1, True), complained
    assert "`sluice env publish`" in complained
    mend(shelf)
    assert company.sluice("env", "publish")[0] == 0
    assert "marts.shop_orders" in newest(Shelf(Area(str(shelf)))).tables
