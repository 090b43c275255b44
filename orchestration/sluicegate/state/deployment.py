"""What every stage is handed: one deployment's settings, records, engine and storage areas.

Belongs here: things that are opened once a process. Does not belong here: what is read from the project
directory (`project`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from sluicegate.areas import Area, StorageUrlError
from sluicegate.contracts.connectors import STAGING
from sluicegate.contracts.model import SourceContract
from sluicegate.core.environments import Declared, Environment, made_from
from sluicegate.core.secrets import ByReference
from sluicegate.core.settings import Settings, SettingsError
from sluicegate.state.adoption import NotTheOne, established, not_the_one, require_here, shared_areas
from sluicegate.state.identity import Identity
from sluicegate.state.maintenance import under_maintenance
from sluicegate.state.moments import now as utc_now
from sluicegate.state.restore_mark import require_whole
from sluicegate.state.store import StateStore
from sluicegate.warehouse.base import Warehouse
from sluicegate.warehouse.duckdb_file import DuckDBFile
from sluicegate.warehouse.duckdb_file import versions_in as versions_in  # of a copy in a backup


@dataclass(frozen=True)
class Deployment:
    """One deployment; everything is opened on first use. `clock` tells the time that due moments meet."""

    settings: Settings
    clock: Callable[[], datetime] = utc_now

    @property
    def store(self) -> StateStore:
        """The transactional records.

        Raises:
            HalfRestored: a restore into the data directory did not end.
            WrongDeployment: `SLUICE_ENVIRONMENT` says that it is another deployment's.
        """
        _ = self.identity
        return self.records

    @cached_property
    def identity(self) -> Identity:
        """Which deployment this is, as its records said when this process opened them; raises as `store`."""
        return established(self.records.identities, self.settings)

    def kept_back(self, *, asks_areas: bool = True) -> NotTheOne | None:
        """Return why nothing may leave this deployment now; None where it may. The records are read anew.

        Without `asks_areas` no shared area is listed: for who looks each second, and sends nothing by that.
        """
        return not_the_one(self.store.identities, self.settings, self.shared if asks_areas else ())

    @property
    def shared(self) -> list[Area]:
        """The areas that a copy of the data directory has as well."""
        kind = self.identity.kind
        writes = self.published if kind is not None and kind.publishes else None
        return shared_areas(self.settings, [self.originals, writes])

    @cached_property
    def records(self) -> StateStore:
        """The same, before it was asked which deployment they are of."""
        require_whole(self.settings.data_dir)
        # Before the records say so, as they may be elsewhere.
        if self.settings.said == Declared(Environment.LOCAL):
            require_here(self.settings)
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        secret = self.settings.state_url
        return StateStore(
            secret.get_secret_value(),
            renewed=secret.renewed if isinstance(secret, ByReference) else None,
            shards=self.settings.deliveries_dir,
            clock=self.clock,
            erasures=self.settings.erasures_file,
            lease_lifetime=timedelta(seconds=self.settings.lease_seconds),
        )

    def close(self) -> None:
        """Close what was opened: a store on SQLite is one file then, which holds all that was committed."""
        if "records" in vars(self):
            self.records.close()

    @cached_property
    def warehouse(self) -> Warehouse:
        """The engine; it reads what the areas hold."""
        areas = [self.staging, self.originals, self.processing, *([self.cold] if self.cold else [])]
        return DuckDBFile(
            self.settings.warehouse_path,
            areas=areas,
            shelf=self._area(shown) if (shown := made_from(self.settings.data_dir)) else None,
            access=self.settings.storage_access,
            bring_up_to_date=lambda connection: self.store.take_over(connection),
            kept_open=lambda: bool(under_maintenance(self.store.leases)),
            before_commit=lambda: self.store.leases.require_runs_now(),
            writes_within=self.settings.load_memory,
        )

    def warehouse_showing(self, shelf: Area) -> Warehouse:
        """Return the engine for views of what lies on a shelf, before it is known that this shows any."""
        return DuckDBFile(self.settings.warehouse_path, shelf=shelf, access=self.settings.storage_access)

    def warehouse_within(self, seconds: float) -> Warehouse:
        """Return the engine for whoever keeps all others away, and waits so long for them."""
        return DuckDBFile(self.settings.warehouse_path, lock_timeout_seconds=seconds)

    @cached_property
    def staging(self) -> Area:
        """Where providers land files, unless their contract names another connector."""
        return self._area(self.settings.staging_url)

    @cached_property
    def originals(self) -> Area:
        """The locked area of what came in, as it came."""
        return self._area(self.settings.originals_url)

    @cached_property
    def cold(self) -> Area | None:
        """Where originals go when they are old; None where this deployment has no cold tier."""
        return self._area(self.settings.cold_url) if self.settings.cold_url else None

    @cached_property
    def processing(self) -> Area:
        """Where converted files and their manifests are."""
        return self._area(self.settings.processing_url)

    @cached_property
    def published(self) -> Area | None:
        """Where validated tables are published; None where this deployment publishes nothing."""
        return self._area(self.settings.published_url) if self.settings.published_url else None

    def staging_of(self, contract: SourceContract) -> Area:
        """Return where a source's files land: the area of its contract's connector.

        Raises:
            SettingsError: this deployment has no such connector, or its URL is no area's.
        """
        name = contract.connector
        if name == STAGING:
            return self.staging
        if name in self._connectors:
            return self._connectors[name]
        variable = self.settings.variable_of(name)
        url = self.settings.connection(name)
        if url is None:
            raise SettingsError(
                "SLU-D009",
                f"connector `{name}` of source `{contract.name}` is not configured; expected its URL in"
                f" {variable}; set it, or correct `server` in {contract.file.name}",
            )
        try:
            area = self._area(url)
        except StorageUrlError as error:
            raise SettingsError("SLU-D009", f"{variable} is {error}") from None
        if wrong := self.settings.led_elsewhere(name, area.hosts):
            raise SettingsError("SLU-N008", str(wrong))
        self._connectors[name] = area
        return area

    @cached_property
    def _connectors(self) -> dict[str, Area]:
        return {}

    def _area(self, url: str) -> Area:
        return Area(url, self.settings.storage_access)
