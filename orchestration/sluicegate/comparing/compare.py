"""An environment beside production: what it has built, partition by partition, and each export below it.

Belongs here: which tables, partitions and exports are compared. Does not belong here: how a partition stands
(`verdicts`), what is another of a table (`tables`) or of what a destination would get (`sent`).
"""

from collections.abc import Collection

from sluicegate.comparing.report import DiffReport
from sluicegate.comparing.sent import Sent
from sluicegate.comparing.tables import Tables
from sluicegate.comparing.verdicts import Verdicts
from sluicegate.core.problems import did_you_mean
from sluicegate.core.progress import each
from sluicegate.environments.changes import building, named_table
from sluicegate.environments.record import Made
from sluicegate.operations.site import Site
from sluicegate.publishing.shelf import Shelf


def compare(
    site: Site,
    made: Made,
    shelf: Shelf,
    wanted: Collection[str] = (),
    *,
    partition_key: str | None = None,
    samples: int = 20,
) -> DiffReport:
    """Return what is another in an environment than in the catalogue that it was made from.

    Args:
        site: the environment's deployment, with the project as it is to become.
        made: what it was made from.
        shelf: where that catalogue lies.
        wanted: models, by name or as `schema.name`; all that are built or to be built if there are none.
        partition_key: of the one partition that is compared; all of the environment if None.
        samples: how many keys are shown of each sort of rows in a partition.

    Raises:
        ValueError: there is no model of a wanted name, or none of these has such a partition.
        NotPublished: the catalogue is of newer code.
    """
    plan, catalogue = building(site, made), shelf.catalogue(made.catalogue)
    lineage, newest = site.project.lineage, shelf.newest() or catalogue
    with site.deployment.warehouse.session() as session, session.snapshot():
        verdicts = Verdicts(plan, catalogue, session)
        asked = {named_table(verdicts.models, name) for name in wanted}
        about = asked or verdicts.affected

        def keys(relation: str) -> list[str]:
            return [key for key in verdicts.of(relation) if partition_key in (None, key)]

        if partition_key is not None and not any(map(keys, about)):
            known = {key for relation in about for key in verdicts.of(relation)}
            raise ValueError(
                f"no partition `{partition_key}` is compared; {did_you_mean(partition_key, known)}"
            )
        tables = Tables(site.project, shelf, session, verdicts, catalogue, newest, samples)
        sent = Sent(site, tables)
        named = [name for name in lineage.tables if name in about]
        found = [tables.table(name, keys(name)) for name in each("comparing", named, "tables", str)]
        found += [] if asked or partition_key else tables.gone()
        models = {name: str(site.project.node_of(one).relation) for name, one in site.project.exports.items()}
        below = [name for name, model in models.items() if about & {model, *lineage.ancestors(model)}]
        exports = [
            sent.export(name, keys(models[name]))
            for name in each("comparing what is sent", below, "exports", str)
        ]
        return DiffReport(made.name, made.catalogue, tuple(found), tuple(exports))
