"""The JSON Schema of `alerts.yaml`, for editors; kept in the repository as docs/alerts.schema.json.

Loading does not use it: what it cannot say (names of the project, channels of the file) is checked there.
"""

from typing import Any

from sluicegate.core.json_schemas import DIALECT, schema_text_of
from sluicegate.incidents.alerts_spec import AlertsSpec

SCHEMA_FILE = "docs/alerts.schema.json"


def alerts_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file."""
    schema = AlertsSpec.model_json_schema()
    return {"$schema": DIALECT, **schema, "title": "Alerts"}


def schema_text() -> str:
    """Return the text of the schema file."""
    return schema_text_of(alerts_schema())
