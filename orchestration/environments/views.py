"""The warehouse of a new environment: each published table at one version of it, as a view.

A view names and casts each column. A column that is not published, as its class is not for everybody, or that
the project has and production has not yet, is null. Belongs here: what a view selects. Does not belong here:
the engine's part (`warehouse`), where rows come from once a table is built (`changes`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestration.compute.exact_parquet import cast_to
from orchestration.compute.sql import literal, quoted
from orchestration.core.relations import Relation
from orchestration.publishing.catalogue import PublishedTable
from orchestration.warehouse.base import Session, Version


@dataclass(frozen=True)
class View:
    """One table at some of its keys: `path` is where the engine finds it.

    `types` is {column: type} as the project has them, in its order; a column that is not published is null.
    """

    relation: Relation
    published: PublishedTable
    path: str
    keys: Sequence[str]
    types: Mapping[str, str]

    def query(self, session: Session) -> str:
        """Return the query that it shows."""
        there = self.published.columns
        # An empty table may have no file that would tell its columns.
        has = there if self.keys else {}
        spelt = {name.casefold(): name for name in there}
        wanted = {spelt.get(name.casefold(), name): kind for name, kind in self.types.items()}
        listed = ", ".join(
            cast_to({name: kind}) if name in has else f"cast(null as {kind}) as {quoted(name)}"
            for name, kind in {**wanted, **there}.items()
        )
        if not self.keys:
            return f"select {listed} where false"
        return f"select {listed} from {session.published(self.path, self.published.at)}{self._where}"

    def versions(self) -> Iterator[Version]:
        """Yield the versions of what it shows."""
        partitions = self.published.partitions
        yield from (Version(self.relation, key, partitions[key].version) for key in self.keys)

    @property
    def _where(self) -> str:
        column = self.published.key_column
        if not column or len(self.keys) == len(self.published.partitions):
            return ""
        return f" where {quoted(column)} in ({', '.join(map(literal, self.keys))})"
