"""Which places production writes to, and that a work deployment keeps away from them.

Production's catalogues tell its places by digests, so that they are known again and not found. A directory
has several names: its path, and what each folder above it is, at whatever path it is mounted.

Belongs here: names, and the refusal. Does not belong here: how a place is spelt; its kind of destination
knows (`canonical_object`).
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestration.areas import storage_errors, why_of
from orchestration.core.catalogues import names_in, said_by
from orchestration.core.environments import Environment, place_digest
from orchestration.delivery.export_files.exports import Export
from orchestration.delivery.export_files.places import folders_of
from orchestration.destinations.base import DeliveryError, Destination
from orchestration.state.deployment import Deployment
from orchestration.state.identity import mark_of

_DIRECTORY = "file://"


def digests_of(destination: Destination) -> frozenset[str]:
    """Return digests of all names of the object that a destination writes to."""
    return frozenset(map(place_digest, _names_of(destination.canonical_object())))


def require_not_productions(deployment: Deployment, export: Export, destination: Destination) -> None:
    """Raise where a work deployment would write to a place of production's, or into a folder there.

    Where a shelf is named that does not say which these are, nothing is written.

    Raises:
        DeliveryError: it would.
    """
    if deployment.identity.kind is not Environment.WORK or deployment.published is None:
        return
    places, place = _published_places(deployment), destination.canonical_object()
    names = (name for part in (place, *folders_of(place)) for name in _names_of(part))
    if not any(place_digest(name) in places for name in names):
        return
    variable = deployment.settings.variable_of(export.spec.destination.connection)
    raise DeliveryError(
        f"{place} is production's, and this deployment is `{deployment.identity.declared}`",
        "a place that production does not write to",
        f"set {variable} to another one, or name another `destination.object` in the export file; of two"
        " accounts at one host the URL has to name which it is (ACCOUNT in KIND://ACCOUNT:SECRET@host)",
    )


def _published_places(deployment: Deployment) -> Collection[str]:
    area = deployment.published
    assert area is not None
    try:
        names = names_in(area)
        if names:
            return frozenset(said_by(area, names[-1])["places"])
        why = "no catalogue is there"
    except storage_errors() as error:
        why = f"{type(error).__name__}: {why_of(error)}"
    except (KeyError, TypeError, ValueError) as error:
        why = f"its newest catalogue is damaged, {type(error).__name__}"
    raise DeliveryError(
        f"{area.url} does not say what is production's ({why})",
        "the shelf that production publishes to, which can be read from here",
        "set SLUICE_PUBLISHED_URL to the same as in production; if nothing was published yet, type `sluice"
        " env publish` there; then type here `sluice run --retry`",
    )


def _names_of(place: str) -> Iterator[str]:
    yield place
    if place.startswith(_DIRECTORY):
        path = Path(place.removeprefix(_DIRECTORY))
        for folder in (path, *path.parents):
            if mark := mark_of(folder):
                yield f"{mark} {path.relative_to(folder)}"
