"""The JSON Schema of what `sluice impact --json` prints: `docs/impact.schema.json`."""

from sluicegate.columns.report import FILE, schema_text
from sluicegate.core.settings import REPOSITORY

PAGE = REPOSITORY / FILE


def page() -> str:
    """Return the schema, as the answer's fields make it."""
    return schema_text()
