"""What a deployment's data are made of, for a backup: parts, and where each lies.

Belongs here: that. Does not belong here: copying.
"""

from collections.abc import Mapping
from pathlib import Path

from sluicegate.areas import Area
from sluicegate.areas.access import place_of
from sluicegate.core.settings import Settings

RECORDS, WAREHOUSE, DELIVERIES, DAGSTER = "records", "warehouse", "deliveries", "dagster"
# Below the folder of the shards: what is compared at this moment, and nobody needs again.
NOT_KEPT: Mapping[str, tuple[str, ...]] = {DELIVERIES: ("previews",)}
# The one file of the first two parts.
THE_FILE = "file"


def area_urls(settings: Settings) -> dict[str, str]:
    """Return {name: URL} of the areas that a deployment has."""
    urls = {
        "staging": settings.staging_url,
        "originals": settings.originals_url,
        "processing": settings.processing_url,
        "cold": settings.cold_url,
    }
    return {name: url for name, url in urls.items() if url is not None}


def own_areas(settings: Settings) -> dict[str, Path]:
    """Return {name: folder} of the areas below the data directory; others have backups of their own."""
    found: dict[str, Path] = {}
    for name, url in area_urls(settings).items():
        if Area(url).local and Path(place_of(url).root).is_relative_to(settings.data_dir):
            found[name] = Path(place_of(url).root)
    return found


def folders(settings: Settings) -> dict[str, Path]:
    """Return {part: folder} of the parts that are folders."""
    return {DELIVERIES: settings.deliveries_dir, DAGSTER: settings.dagster_home, **own_areas(settings)}


def places(settings: Settings) -> list[Path]:
    """Return the folders of this machine in which a deployment keeps its data."""
    return [settings.data_dir, *folders(settings).values()]
