"""Every destination, as the conformance test drives it: one module a destination, one line each below.

Does not belong here: expectations (`test_conformance` has them), a vendor's ways (its double has them).
"""

from importlib import import_module

import pytest
from sluicegate.destinations.base import Mode

from .base import Case

# Named, not imported: one destination's test does not need the packages of the others.
_CASES = {
    "adx": "adx:AdxCase",
    "blob": "blob:LocalCase",
    "blob_azure": "blob:AzureCase",
    "blob_s3": "blob:S3Case",
    "braze": "braze:BrazeCase",
    "braze_events": "braze:BrazeEventsCase",
    "hubspot": "hubspot:HubSpotCase",
    "postgres": "postgres:PostgresCase",
    "salesforce": "salesforce:SalesforceCase",
    "salesforce_bulk": "salesforce:SalesforceBulkCase",
    "webhook": "webhook:WebhookCase",
}


def case_names() -> list[str]:
    """Every case there is, in order of the alphabet."""
    return sorted(_CASES)


def case_class(name: str) -> type[Case]:
    """The class of a case; raises KeyError for a name there is none of."""
    module, _, cls = _CASES[name].partition(":")
    found: type[Case] = getattr(import_module(f"{__name__}.{module}"), cls)
    return found


def each(*modes: Mode, in_parts: bool = False, trims: bool = False) -> pytest.MarkDecorator:
    """The test, for every case and each of some modes that its destination has.

    `in_parts`, `trims`: of those cases alone of which that is so.
    """
    pairs = [
        pytest.param(name, mode, id=f"{name}-{mode}")
        for name in case_names()
        for mode in modes
        if mode in case_class(name).destination_class.capabilities.modes
        if case_class(name).in_parts or not in_parts
        if case_class(name).trims or not trims
    ]
    return pytest.mark.parametrize(("case", "mode"), pairs, indirect=["case"])


__all__ = ["Case", "case_class", "case_names", "each"]
