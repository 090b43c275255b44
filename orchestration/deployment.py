"""What every stage is handed: one deployment's settings, records, engine and storage areas.

Belongs here: things that are opened once a process. Does not belong here: what is read from the project
directory (`project`).
"""

from dataclasses import dataclass
from functools import cached_property

from orchestration.areas import Area
from orchestration.settings import Settings
from orchestration.state.store import StateStore
from orchestration.warehouse.engine import Warehouse


@dataclass(frozen=True)
class Deployment:
    """One deployment; everything is opened on first use."""

    settings: Settings

    @cached_property
    def store(self) -> StateStore:
        """The transactional records."""
        self.settings.data_dir.mkdir(parents=True, exist_ok=True)
        return StateStore(self.settings.state_url.get_secret_value())

    @cached_property
    def warehouse(self) -> Warehouse:
        """The engine."""
        return Warehouse(self.settings.warehouse_path)

    @cached_property
    def staging(self) -> Area:
        """Where providers land files."""
        return Area(self.settings.staging_url)

    @cached_property
    def processing(self) -> Area:
        """Where originals are kept."""
        return Area(self.settings.processing_url)
