"""What `kusto/` defines: functions, views and tables of one database, as they are read from their files.

Belongs here: the shapes that checks, deploys and assets share. Does not belong here: reading the files
(`reading`), what may be written (`rules`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from sluicegate.core.partitions import Partitioning
from sluicegate.core.stages import Stage
from sluicegate.kusto.language.engine import Origins

_FOREIGN = re.compile(r"[^A-Za-z0-9_]")


class Kind(StrEnum):
    """The kinds of objects, by the folder of `kusto/` in which each is written."""

    TABLE = "tables"
    FUNCTION = "functions"
    VIEW = "views"

    @property
    def singular(self) -> str:
        """What one of them is called."""
        return self.value.removesuffix("s")


@dataclass(frozen=True, slots=True)
class Statement:
    """One command of a file.

    `kind` is Microsoft's name of it (`CreateOrAlterFunction`), `line` where it begins, `digest` that of its
    words without blanks and comments: what differs in those alone is not another command.
    """

    kind: str
    text: str
    line: int
    digest: str


@dataclass(frozen=True, slots=True)
class KustoObject:
    """A function, a view, or what is said of a table.

    Args:
        kind: which of them.
        name: as the database has it.
        file: relative to the project directory.
        stage: that of the file; work is deployed to the databases of work and scratch alone.
        statements: its commands in the order of the file; a function or view has one.
        parameters: of a function, with parentheses.
        body: of a function, with braces; of a view its query.
        reads: names of the objects and tables that it reads, each with its kind.
        columns: the table that it gives, as (name, Kusto type); None if it gives none, or nobody knows.
        sample: the call that `// sample: F("AMES")` names; "" where all parameters have defaults.
        origins: what its columns are made of, and which it cannot be without.
        owner: who answers for what is work, by `// owner:`.
        expires: the last day (UTC) of what is work, by `// expires:`.
    """

    kind: Kind
    name: str
    file: str
    stage: Stage
    statements: Sequence[Statement]
    parameters: str = ""
    body: str = ""
    reads: Sequence[tuple[Kind, str]] = ()
    columns: Sequence[tuple[str, str]] | None = None
    sample: str = ""
    origins: Origins = field(default_factory=Origins)
    owner: str = ""
    expires: date | None = None

    @property
    def key(self) -> tuple[Kind, str]:
        """What it is called among all objects of the database."""
        return self.kind, self.name

    @property
    def digest(self) -> str:
        """The digest of all that it says."""
        return "".join(one.digest for one in self.statements)


def filled_key(table: str) -> tuple[str, str]:
    """Return the key of the asset that fills a table; functions and views have keys of the same form.

    Dagster takes letters, digits and underscores alone: what else a name has is written in hexadecimal.
    """
    return "kusto", _FOREIGN.sub(lambda found: f"_{ord(found[0]):x}_", table)


@dataclass(frozen=True, slots=True)
class FilledTable:
    """A table that a function fills.

    Args:
        table: its name.
        function: the name of the function.
        file: relative to the project directory.
        stage: that of the file.
        description: what it holds.
        owner: who answers for it.
        partitioning: how it is cut; a function is called for each partition, or once for a whole table.
        exports: those that feed what the function reads.
        after: other tables that a function fills and this one reads.
        reads: the function, and all objects of `kusto/` that it reads.
        code: a digest of these.
        columns: what the function gives, as (name, Kusto type).
    """

    table: str
    function: str
    file: str
    stage: Stage
    description: str
    owner: str
    partitioning: Partitioning
    exports: tuple[str, ...]
    after: tuple[str, ...]
    reads: tuple[tuple[Kind, str], ...]
    code: str
    columns: tuple[tuple[str, str], ...]

    @property
    def asset_key(self) -> tuple[str, str]:
        """The asset that fills it."""
        return filled_key(self.table)


@dataclass(frozen=True, slots=True)
class Fed:
    """A table that an export feeds: its columns are the export's, as (name, Kusto type).

    `remarks` are what the docstrings of some columns say of how they are sent, `file` is the export's own,
    `replaces`: it takes the rows of a partition out when it sends that one again (`mode: snapshot`).
    """

    table: str
    export: str
    connection: str
    stage: Stage
    columns: Sequence[tuple[str, str]]
    file: str = ""
    remarks: Sequence[tuple[str, str]] = ()
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class KustoProject:
    """All of `kusto/`, checked.

    Args:
        connection: the name of the connection of exports whose database it is.
        retention: {kind of deployment: Kusto timespan} for which tables keep rows, where it says one.
        caching: the same for the hot cache.
        scratch_database: the one database that scratch may change; "" for none.
        objects: parents before children: tables, functions by what they read, views.
        feeds: the tables of the database that exports feed, each once for each export.
        filled: the tables that functions fill, each after those that it reads.
        warnings: what a person should look at, each at its place, and nothing is refused for.
    """

    connection: str
    retention: Mapping[str, str] = field(default_factory=dict[str, str])
    caching: Mapping[str, str] = field(default_factory=dict[str, str])
    scratch_database: str = ""
    objects: Sequence[KustoObject] = ()
    feeds: Sequence[Fed] = ()
    filled: Sequence[FilledTable] = ()
    warnings: Sequence[str] = ()
