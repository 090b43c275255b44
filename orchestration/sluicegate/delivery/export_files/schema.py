"""The JSON Schema of export files, for editors; kept in the repository as docs/export.schema.json.

Belongs here: how the fields become a schema. Does not belong here: the fields (`spec`). Loading does
not use it: what it cannot say (columns, dates, other files) is checked there.
"""

from typing import Annotated, Any, Union

from pydantic import Field, create_model

from sluicegate.core.json_schemas import DIALECT, schema_text_of
from sluicegate.delivery.export_files.exports import capabilities_of
from sluicegate.delivery.export_files.spec import ExportSpec, spec_model
from sluicegate.destinations.registry import destination_types

FILE = "docs/export.schema.json"
COMMAND = "sluice export schema"


def schema_text() -> str:
    """Return the text of the schema file."""
    return schema_text_of(export_schema())


def export_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an export file, to every type of destination there is."""
    types = sorted(destination_types)
    destinations = tuple(spec_model(name).model_fields["destination"].annotation for name in types)
    one_of: Any = Annotated[Union[destinations], Field(discriminator="type")]  # noqa: UP007 # pyright: ignore
    whole = create_model("Export", __base__=ExportSpec, __doc__=ExportSpec.__doc__, destination=(one_of, ...))
    schema = whole.model_json_schema()
    # A title a field, its own name again, tells nobody anything.
    for part in (schema, *schema.get("$defs", {}).values()):
        for field in part.get("properties", {}).values():
            field.pop("title", None)
    return {
        "$schema": DIALECT,
        **schema,
        "allOf": [rule for name in types if (rule := _capability_rule(name))],
    }


def _capability_rule(type_name: str) -> dict[str, Any]:
    """Return what a type of destination allows of the fields outside `destination`."""
    capabilities = capabilities_of(destination_types[type_name])
    if capabilities is None:
        return {}
    allowed: dict[str, Any] = {"mode": {"enum": sorted(mode.value for mode in capabilities.modes)}}
    if capabilities.keys.single:
        allowed["key"] = {"maxItems": 1}
    typed = {"properties": {"type": {"const": type_name}}, "required": ["type"]}
    # Without `required` the condition would hold of a file that names no destination yet.
    of_type = {"properties": {"destination": typed}, "required": ["destination"]}
    return {"if": of_type, "then": {"properties": allowed}}
