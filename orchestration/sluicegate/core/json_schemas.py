"""The text of a JSON Schema, as it is kept in docs: of what people write, and of what commands print.

Belongs here: its dialect and layout. Does not belong here: what any schema says.
"""

import json
from collections.abc import Mapping
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text_of(schema: Mapping[str, Any]) -> str:
    """Return the text of a schema's file (JSON Schema, draft 2020-12), in one order."""
    return json.dumps({"$schema": DIALECT, **schema}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
