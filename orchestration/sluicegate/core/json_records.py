"""Frozen dataclasses as JSON, and back; what has its default is left out, and what is not known is not read.

Belongs here: that. Does not belong here: what a file says besides, as its form, and where it lies.
"""

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from pydantic import TypeAdapter

Record = TypeVar("Record")


def json_of(record: "DataclassInstance") -> dict[str, Any]:
    """Return a record as JSON's types have it."""
    return _adapter(type(record)).dump_python(record, mode="json", exclude_defaults=True)


def record_of(type_: type[Record], said: Any) -> Record:
    """Return what `json_of` was made of.

    Raises:
        ValueError: it is another kind of record.
    """
    return _adapter(type_).validate_python(said)


def bytes_of(said: Any) -> bytes:
    """Return JSON as a file has it."""
    return json.dumps(said, separators=(",", ":")).encode()


@cache
def _adapter(type_: type[Record]) -> "TypeAdapter[Record]":
    from pydantic import TypeAdapter

    return TypeAdapter(type_)
