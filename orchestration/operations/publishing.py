"""Publishing, asked of a site: by a person or a schedule for all, by a run for what it has touched.

Belongs here: what is published where and by whom, as the settings and the project say. Does not belong here:
how (`publishing`).
"""

from collections.abc import Callable, Collection
from contextlib import suppress

from orchestration.contracts.columns import OPEN_CLASSIFICATIONS
from orchestration.core.problems import did_you_mean
from orchestration.core.settings import SettingsError
from orchestration.operations.site import Site
from orchestration.project.earlier import commit_of
from orchestration.publishing.publish import Published, Publisher, Publishing
from orchestration.publishing.shelf import Shelf


def publish_tables(
    site: Site, relations: Collection[str], told: Callable[[str], None] = lambda _: None
) -> Published:
    """Publish what is validated of some tables, or of all, and take out what no longer is.

    Raises:
        ValueError: there is no such table.
        SettingsError: this deployment publishes nowhere.
        AnotherPublishes, LeaseTimeout: somebody else does.
    """
    tables = site.project.lineage.tables
    for relation in relations:
        if relation not in tables:
            raise ValueError(f"no table `{relation}`; {did_you_mean(relation, tables)}")
    publishing = publishing_of(site)
    if publishing is None:
        raise SettingsError(
            "this deployment publishes nowhere; expected a place in SLUICE_PUBLISHED_URL, as /srv/published"
            " or abfs://published@account.dfs.core.windows.net; set it"
        )
    return publishing.publish(dict.fromkeys(relations, frozenset[str]()) or None, told=told)


def publishing_of(site: Site) -> Publishing | None:
    """Return what a deployment publishes, and where; None where it publishes nothing."""
    deployment = site.deployment
    if deployment.published is None:
        return None
    commit = ""
    with suppress(ValueError):
        commit = commit_of(deployment.settings.project_dir, "HEAD")
    return Publishing(
        deployment,
        site.project,
        Shelf(deployment.published, deployment.settings.storage_access),
        Publisher("", 0),
        OPEN_CLASSIFICATIONS,
        commit,
    )
