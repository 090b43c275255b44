"""What doubles of HubSpot share: properties, the form of requests and of errors, where an API's paths start.

Does not belong here: state, endpoints (`hubspot`, `hubspot_links`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from starlette.responses import JSONResponse, Response

from .faults import Failure

CORRELATION = "aeb5f871-7f07-4993-9211-075dc63e7cbf"
_BATCH = 100
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Property:
    """A property of the object type, as the account's administrator has made it."""

    type: str = "string"
    unique: bool = False
    options: tuple[str, ...] = ()
    read_only: bool = False
    hubspot_defined: bool = False


def root(version: str, api: str) -> str:
    """The path above an API's endpoints in a version."""
    return f"/crm/v3/{api}" if version == "v3" else f"/crm/{api}/{version}"


def misfit(of: Property, value: str) -> tuple[str, str] | None:
    """The code and the words on a value that a property cannot hold, if it cannot."""
    if of.type == "number" and not _NUMBER.fullmatch(value):
        return "INVALID_DOUBLE", f"{value} was not a valid number."
    if of.type == "bool" and value not in ("true", "false"):
        return "INVALID_BOOLEAN", f"{value} was not a valid boolean."
    if of.options and not set(value.split(";")) <= set(of.options):
        return "INVALID_OPTION", f"{value} was not one of the allowed options: [{', '.join(of.options)}]"
    try:
        if of.type == "date":
            date.fromisoformat(value)
        elif of.type == "datetime":
            datetime.fromisoformat(value)
    except ValueError:
        return "INVALID_DATE", f"{value} was not a valid {of.type}."
    return None


def inputs(body: Any, allowed: set[str]) -> list[dict[str, Any]] | Response:
    """The inputs of a batch request, or the refusal of the whole."""
    found = body.get("inputs") if isinstance(body, dict) else None
    if not isinstance(found, list) or set(body) != {"inputs"} or not found:
        return error(400, "VALIDATION_ERROR", "Invalid input JSON: inputs is required")
    if len(found) > _BATCH:
        said = f"The maximum number of inputs supported in a batch request is {_BATCH}"
        return error(400, "VALIDATION_ERROR", said)
    for one in found:
        if "id" not in one or set(one) - allowed:
            return error(400, "VALIDATION_ERROR", f"Invalid input JSON: {sorted(set(one) - allowed)}")
    return found


def twice(texts: Sequence[str]) -> str:
    """The first text that stands twice, or none."""
    return next((text for text in texts if texts.count(text) > 1), "")


def error(status: int, category: str, said: str, **more: Any) -> JSONResponse:
    """An error as HubSpot words it."""
    body = {"status": "error", "message": said, "correlationId": CORRELATION, "category": category}
    return JSONResponse(body | more, status_code=status)


def failure(fault: Failure) -> Response:
    """The answer of a fault that a test has switched on."""
    said = {"status": "error", "message": "internal error", "correlationId": CORRELATION}
    return JSONResponse(dict(fault.body) or said, status_code=fault.status, headers=dict(fault.headers))
