"""Rows stated as SQL, with keys of any type and spelling, delivered by the engine to any case.

Does not belong here: expectations.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from sluicegate.delivery.engine import DeliveryEngine
from sluicegate.delivery.erasure import Erased, Request, erase
from sluicegate.delivery.ledger import Ledger, Limits, Opened, Order, Outcome
from sluicegate.delivery.reconcile import Reconciled, reconcile
from sluicegate.destinations.base import Destination, Mode
from sluicegate.state.records import DeliveryKind
from sluicegate.state.store import StateStore

from .cases import Case
from .support import execute
from .test_postgres_folding import make_citext

DAY, NEXT_DAY = "2022-10-03", "2022-10-04"
RESYNC = DeliveryKind.RESYNC


@dataclass
class Rows:
    """Delivers rows {SQL of the key: note} of a partition to a case, as the validated ones."""

    case: Case
    folder: Path
    mode: Mode = Mode.MIRROR
    kind: str = "varchar"
    key: tuple[str, ...] = ("code",)
    column: str | None = "business_date"
    column_kind: str = "date"
    export: str = "exp_items"
    more: str = ""
    versions: int = 0
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=lambda: Limits(empty=True))
    options: Mapping[str, Any] | None = None
    store: StateStore = field(init=False)
    said: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.store = StateStore(f"sqlite:///{self.folder / 'state.db'}", shards=self.folder / "shards")

    def name(self, column: str) -> str:
        return self.names.get(column) or self.case.name(column)

    def order(self, day: str = DAY, kind: DeliveryKind = DeliveryKind.CHANGE) -> Order:
        return Order(
            export=self.export,
            partition_key=day,
            key=tuple(map(self.name, self.key)),
            mode=self.mode,
            partition_column=None if self.column is None else self.name(self.column),
            kind=kind,
            limits=self.limits,
            wait_seconds=0.0,
            attempts=1_000,
            tolerated_share=1.0,
            replaces=Mode.SNAPSHOT in self.case.destination_class.capabilities.modes,
            columns={field: column for column, field in self.names.items()},
        )

    def destination(self) -> Destination:
        cls = self.case.destination_class
        options = {**self.case.options, **(self.options or {})}
        made = cls(self.case.url, self.case.object_name, cls.options_model(**options))
        made.budget_seconds = 30.0
        return made

    @property
    def engine(self) -> DeliveryEngine:
        return DeliveryEngine(
            Ledger(self.store, self.folder / "shards", "run", self.said.append), self.destination()
        )

    def sql(self, rows: Mapping[str, str | None], day: str) -> str:
        column = (
            f", cast('{day}' as {self.column_kind}) as \"{self.name(self.column)}\"" if self.column else ""
        )
        parts = [
            f'select cast({code} as {self.kind}) as "{self.name("code")}"{column},'
            f' {"null::varchar" if note is None else repr(note)} as "{self.name("note")}"{self.more}'
            for code, note in rows.items()
        ]
        if not parts:
            whole = self.sql({"null": None}, day)
            return f"select * from ({whole}) where false"
        return " union all ".join(parts)

    def deliver(
        self, rows: Mapping[str, str | None], day: str = DAY, kind: DeliveryKind = DeliveryKind.CHANGE
    ) -> Outcome:
        return self.send(self.sql(rows, day), day, kind)

    def send(
        self, sql: str, day: str = DAY, kind: DeliveryKind = DeliveryKind.CHANGE, version: str = ""
    ) -> Outcome:
        self.versions += 1

        @contextmanager
        def opening() -> Generator[Opened]:
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                yield Opened(connection, sql, version or str(self.versions))

        return self.engine.deliver(self.order(day, kind), opening)

    def forget(self, days: Sequence[str] = (DAY,), **values: str) -> Erased:
        named = {self.name(column): text for column, text in values.items()}
        return erase(self.engine, [self.order(day) for day in days], Request(named, "request 7", "ada"))

    def there(self) -> list[tuple[Any, Any]]:
        """(key, note) of all that the other side has."""
        code, note = self.name("code"), self.name("note")
        return sorted(((row.get(code), row.get(note)) for row in self.case.contents()), key=repr)

    def notes(self) -> list[Any]:
        return sorted(str(note) for _, note in self.there())

    def reconciled(self, day: str = DAY) -> Reconciled | None:
        return reconcile(self.engine, self.order(day))


def opened(cls: type[Case], request: Any, tmp_path: Path, **stated: Any) -> Generator[Rows]:
    case = cls(request, tmp_path)
    rows = Rows(case, tmp_path, **stated)
    yield rows
    rows.store.close()
    case.close()


def table_in(rows: Rows, ddl: str) -> None:
    """Make a table, and what it needs, in the case's Postgres."""
    if "citext" in ddl:
        make_citext(rows.case.url)
    for one in ddl.split(";"):
        execute(rows.case.url, one)
