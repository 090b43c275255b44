"""Publishing, asked of a site: by a person or a schedule for all, by a run for what it has touched.

Belongs here: what is published where and by whom, as the settings and the project say. Does not belong here:
how (`publishing`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from orchestration.core.problems import did_you_mean
from orchestration.core.settings import SettingsError
from orchestration.delivery.erasure import Request, forget_by_columns
from orchestration.operations.site import Site
from orchestration.publishing.cleaning import Cleaned, clean
from orchestration.publishing.leases import ShelfLease, end_all
from orchestration.publishing.publish import LEASE, Published, Publishing
from orchestration.publishing.shelf import Shelf

_PATIENCE = 60.0


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
    kind = site.deployment.identity.kind
    if kind is None or not kind.publishes:
        raise SettingsError(
            f"this deployment is `{kind}`, which publishes nothing; expected production; name its data"
            " directory in --data"
        )
    publishing = publishing_of(site)
    if publishing is None:
        raise SettingsError(
            "this deployment publishes nowhere; expected a place in SLUICE_PUBLISHED_URL, as /srv/published"
            " or abfs://published@account.dfs.core.windows.net; set it"
        )
    return publishing.publish(relations or None, told=told)


def publishing_of(site: Site) -> Publishing | None:
    """Return what a deployment publishes, and where; None where it publishes nothing."""
    deployment, project = site.deployment, site.project
    kind = deployment.identity.kind
    if deployment.published is None or kind is None or not kind.publishes:
        return None
    shelf = Shelf(deployment.published, deployment.settings.storage_access)
    return Publishing(deployment, project, shelf, frozenset(project.environments.scratch.classes))


def clean_shelf(site: Site) -> Cleaned:
    """Remove the versions of published tables that are older than `keep_published`.

    Raises:
        LeaseTimeout: somebody publishes.
    """
    deployment = site.deployment
    assert deployment.published is not None
    keep = timedelta(days=site.project.environments.production.keep_published)
    shelf = Shelf(deployment.published, deployment.settings.storage_access)
    with deployment.store.leases.hold(LEASE, wait_seconds=_PATIENCE) as lease:
        return clean(shelf, lease, deployment.clock(), keep)


def forget_published(site: Site, values: Mapping[str, str], *, by: str, reason: str) -> str:
    """Publish the tables that have all these columns without the rows of these values; return what was done.

    Whatever is published later lacks them too. "" where nothing is published, or no table has the columns.

    Raises:
        AnotherPublishes, LeaseTimeout: somebody else publishes; ask for the same again.
    """
    publishing = publishing_of(site)
    concerned = [
        str(relation)
        for relation, origins in site.project.columns.tables.items()
        if values.keys() <= origins.columns.keys() and relation in site.project.lineage.tables
    ]
    if publishing is None or not concerned:
        return ""
    forget_by_columns(site.deployment.store, Request(values, reason, by))
    done = publishing.publish(concerned, wait_seconds=_PATIENCE)
    if done.refused:
        raise ValueError(
            f"{', '.join(sorted(done.refused))} could not be published anew; expected that; `sluice env"
            " publish` says why, then ask for the same again"
        )
    # What shows the earlier versions may not be used any more: the rows are there still, whoever reads them.
    ended = end_all(publishing.shelf.area, "rows that it shows were forgotten in production")
    days = site.project.environments.production.keep_published
    gone = site.deployment.clock() + timedelta(days=days)
    return (
        f"published tables: {len(done.put)} partitions of {len(concerned)} tables were looked at and written"
        f" anew without these rows; earlier versions are gone by {gone:%Y-%m-%d} ({days} days)"
        + _said_of_ended(ended)
    )


def _said_of_ended(leases: Sequence[ShelfLease]) -> str:
    """Return what becomes of environments whose leases were ended."""
    if not leases:
        return ""
    named = ", ".join(f"`{lease.name}` of {lease.holder}" for lease in leases)
    return (
        f"; these environments, made from them, may not be used any more: {named}; `sluice env sweep` removes"
        " them where they are"
    )
