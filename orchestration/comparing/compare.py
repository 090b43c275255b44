"""An environment beside production: what it has built, partition by partition, and each export below it.

Belongs here: which tables, partitions and exports are compared, and what is said of each. Does not belong here:
whether the inputs are the same (`inputs`), the rows (`rows`).
"""

from collections.abc import Collection

from orchestration.comparing.report import DiffReport
from orchestration.environments.record import Made
from orchestration.operations.site import Site
from orchestration.publishing.shelf import Shelf


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
        ValueError: there is no model of a wanted name.
        NotPublished: the catalogue is of newer code.
    """
    raise NotImplementedError
