"""GX Data Docs and the page of columns, made for a reader by `sluice page data-docs`."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from orchestration.columns.lineage_page import LINEAGE_PAGE, lineage_html
from orchestration.core.problems import ProjectChanged, ProjectError
from orchestration.core.settings import Settings
from orchestration.page.data_docs import lineage_stamp, site_dir
from orchestration.project.loading import load_project
from orchestration.quality.data_docs.site import build_data_docs, page_stamp
from orchestration.state.deployment import Deployment


def build(settings: Settings, tell: Callable[[str], None]) -> Path:
    """Make the site of the newest results and of today's project; return the path of its index.html.

    A project that does not load leaves its page as it was, which `tell` is told.
    """
    pages, stamps = dict[str, str](), dict[str, str]()
    try:
        stamp = lineage_stamp(settings)
        if page_stamp(site_dir(settings), LINEAGE_PAGE) != stamp:
            pages[LINEAGE_PAGE] = lineage_html(load_project(settings).catalogue)
            stamps[LINEAGE_PAGE] = stamp
    except (ProjectError, ProjectChanged) as error:
        tell(f"{LINEAGE_PAGE} is not renewed: the project does not load; `sluice check` says why ({error})")
    with closing(Deployment(settings)) as deployment:
        if not deployment.store.results.last():
            with deployment.warehouse.session():
                pass  # which takes over what an earlier version kept in it
        return build_data_docs(deployment.store.results, site_dir(settings), beside=pages, stamps=stamps)
