"""Making an environment: a data directory whose warehouse shows what production has published.

First the lease, so that nothing is cleaned up meanwhile; last the environment's own file: without it the
directory is half of one, which the next `new` of that name, or a sweep, takes away.
Belongs here: the order of it. Does not belong here: each part (`views`, `inheriting`, `spans`, `record`).
"""

import shutil
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from datetime import date, timedelta

from filelock import FileLock, Timeout

from sluicegate.areas import Area
from sluicegate.core.progress import each
from sluicegate.core.relations import Relation
from sluicegate.core.settings import Settings
from sluicegate.environments.inheriting import inherited, standing
from sluicegate.environments.record import (
    Made,
    NotUsable,
    begin,
    holder,
    is_one,
    lock_of,
    settings_of,
)
from sluicegate.environments.spans import Spans, newest_day
from sluicegate.environments.views import view_of
from sluicegate.project.loading import Project
from sluicegate.publishing.catalogue import Catalogue
from sluicegate.publishing.leases import end_lease, take_lease
from sluicegate.publishing.meaning import meanings
from sluicegate.publishing.shelf import Shelf
from sluicegate.state.deployment import Deployment
from sluicegate.state.identity import anchor_of
from sluicegate.transformation.binding import bound_sql
from sluicegate.warehouse.base import Version


def shelf_of(settings: Settings) -> Shelf:
    """Return the shelf that a deployment publishes to or reads from.

    Raises:
        NotUsable: none is named.
    """
    if settings.published_url is None:
        raise NotUsable(
            "no shelf is named, so there is nothing to make an environment from; expected the URL that"
            " production publishes to; set SLUICE_PUBLISHED_URL"
        )
    return Shelf(Area(settings.published_url, settings.storage_access), settings.storage_access)


def make(
    settings: Settings,
    project: Project,
    name: str,
    *,
    days: int | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Made:
    """Make an environment of the newest catalogue, for as long as the project's `environments.yml` allows.

    Args:
        settings: of the process that asks; see `settings_of` for what the environment has of them.
        project: the project directory, as it is to be built there.
        name: its name.
        days: how many days it shows, to the newest that is published, if `first` is not given; as many as
            `environments.yml` says if None.
        first: the first day that it shows.
        last: the last day that it shows; the newest that is published if None.

    Raises:
        ValueError: no environment may be called so, or these are no days.
        NotUsable: there is one of this name, or nothing is published.
    """
    own, shelf = settings_of(settings, name), shelf_of(settings)
    with alone(settings, name):
        if (there := Made.read(own.data_dir)) is not None:
            raise NotUsable(
                f"environment `{name}` is there already, made {there.made_at:%Y-%m-%d} from catalogue"
                f" {there.catalogue}; expected another name, or none; type `sluice env drop {name}` first"
            )
        if (catalogue := shelf.newest()) is None:
            raise NotUsable(
                f"nothing is published on {shelf.area.url}; expected a catalogue; type `sluice env publish`"
                " where production runs"
            )
        rules = project.environments.scratch
        spans = _spans(project, catalogue, days or rules.days, first, last)
        if is_one(own.data_dir):
            shutil.rmtree(own.data_dir, ignore_errors=True)
        elif own.data_dir.is_symlink() or own.data_dir.exists():
            raise NotUsable(
                f"{own.data_dir} is there, and no environment; expected nothing there; move it away, or name"
                " another environment"
            )
        begin(own.data_dir)
        _lend_parse(project.identity.settings, own)
        lease = take_lease(shelf.area, name, catalogue.name, holder(), rules.keep)
        try:
            stands = _fill(own, project, shelf, catalogue, spans)
            made = Made(
                name, catalogue.name, shelf.area.url, lease.id, lease.holder, str(settings.project_dir),
                lease.taken_at, lease.expires_at, spans.first, spans.last, stands,
                anchor_of(own.data_dir),
            )  # fmt: skip
            made.write(own.data_dir)
        except BaseException:
            end_lease(shelf.area, lease.id, "its environment did not come about")
            raise
    return made


@contextmanager
def alone(settings: Settings, name: str) -> Generator[None]:
    """Keep others from making, building and removing an environment; a process that dies lets them in.

    Raises:
        NotUsable: another process is at work on it.
    """
    settings.environments_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock_of(settings.environments_dir / name), timeout=0, thread_local=False):
            yield
    except Timeout:
        raise NotUsable(
            f"another process makes, builds or removes environment `{name}`; expected one at a time; wait for"
            " its end"
        ) from None


def _spans(project: Project, catalogue: Catalogue, days: int, first: date | None, last: date | None) -> Spans:
    newest = newest_day(catalogue, project.lineage) or catalogue.published_at.date()
    last = last or newest
    first = first or last - timedelta(days=days - 1)
    if first > last:
        raise ValueError(
            f"from {first} to {last} there is no day; expected a first day that is not after the last; name"
            f" others: the newest that is published is {newest}"
        )
    return Spans(project.lineage, first, last)


def _fill(
    own: Settings, project: Project, shelf: Shelf, catalogue: Catalogue, spans: Spans
) -> Mapping[str, str]:
    """Make the records and the warehouse; return what stands."""
    keys, now = spans.published(catalogue), meanings(project)
    with closing(Deployment(own)) as deployment:
        deployment.store.inherit(inherited(catalogue, keys, now, project.identity.digest))
        views, versions, types = list[tuple[Relation, str]](), list[Version](), _types(project)
        with deployment.warehouse_showing(shelf.area).session() as session:
            for name, wanted in each("showing tables", keys.items(), "tables", lambda one: one[0]):
                relation, table = project.lineage.tables[name].relation, catalogue.tables[name]
                path = shelf.scan_path(table.location)
                views.append((relation, view_of(session, table, path, wanted, types.get(name, {}))))
                versions += [Version(name, key, table.partitions[key].version) for key in wanted]
            session.show(views, versions)
    return standing(catalogue, now)


def _lend_parse(read: Settings, own: Settings) -> None:
    """Give an environment what dbt made of the very same files: it finds out for itself whether they are."""
    own.dbt_target_dir.mkdir(parents=True)
    for file in read.dbt_target_dir.iterdir():
        if file.is_file():
            shutil.copy2(file, own.dbt_target_dir)


def _types(project: Project) -> dict[str, dict[str, str]]:
    """Return {table: {column: type}} as the project has them: of models as they are bound."""
    manifest = project.manifest
    bound = bound_sql(project.identity.settings, manifest.digests).columns
    found = {
        str(manifest.nodes[name].relation): dict(columns)
        for name, columns in bound.items()
        if name in manifest.nodes
    }
    for unique_id, source in manifest.content["sources"].items():
        columns = source["columns"].items()
        found[str(manifest.source_names[unique_id])] = {
            name: str(item["data_type"]) for name, item in columns if item.get("data_type")
        }
    return found
