"""The base of every mapping in an export file: nothing unknown, nothing changed once read."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A mapping of an export file."""

    # What stands below a field is its description in the JSON Schema, which editors show.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
