"""What Braze keeps of a value or an object, beyond which it cuts off or drops without a word.

Belongs here: sizes that Braze documents, and the check of what a row becomes against them. Does not: how a
value is written (`client`), rows and shards (`destination`, `events`).

Sources: custom attributes in www.braze.com/docs/user_guide/data/activation/custom_data/data_types (an array
loses its first elements), objects in
www.braze.com/docs/user_guide/data/activation/attributes/nested_custom_attribute_support (an update that makes
an object larger is dropped), requests in www.braze.com/docs/api/endpoints/user_data (answered with 413),
events' properties in www.braze.com/docs/api/objects_filters/event_object.
"""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, cast

from .client import BODY_BYTES, TEXT_CHARACTERS, Unwritable, as_json

# KB as thousands: Braze does not say which, and these are the smaller ones.
NESTED_BYTES = 100_000
ARRAY_ITEMS = 500
# Room for what a request has around its only object: `{"attributes": [` and `]}`.
_AROUND = 100
# "Key names cannot contain spaces. Periods (.) and dollar signs ($) aren't supported characters".
_NO_KEY = re.compile(r"[ .$]|^$")


def json_bytes(made: Any) -> int:
    """How many bytes a JSON value has in a request."""
    return len(json.dumps(made, ensure_ascii=False).encode())


def written(name: str, value: Any) -> Any:
    """A field's value as Braze takes it.

    Raises:
        Unwritable: Braze has no form for it; says the field's name.
    """
    try:
        return as_json(value)
    except Unwritable as problem:
        raise Unwritable(f"field {name!r}: {problem}") from None


def attribute(name: str, value: Any, items: int) -> Any:
    """A custom attribute's value as Braze takes it, with at most `items` elements if it is an array.

    Raises:
        Unwritable: Braze has no form for it, or would cut it off or drop it; says the field's name.
    """
    made = written(name, value)
    if isinstance(made, list) and len(cast("list[Any]", made)) > items:
        count = len(cast("list[Any]", made))
        raise Unwritable(f"field {name!r}: Braze keeps {items} elements of an array, this one has {count}")
    if isinstance(made, list | dict):
        _check_keys(name, made)
        if (size := json_bytes(made)) > NESTED_BYTES:
            raise Unwritable(f"field {name!r}: Braze keeps {NESTED_BYTES:,} bytes, this value has {size:,}")
    return made


def event_property(name: str, value: Any) -> Any:
    """A property of an event as Braze takes it.

    Raises:
        Unwritable: Braze has no form for it; says the field's name.
    """
    made = written(name, value)
    if isinstance(value, list | tuple | dict) and _has_moments(value, False):
        raise Unwritable(
            f"field {name!r}: Braze takes no dates and moments in an array of an event's property"
        )
    return made


def check_properties(properties: Mapping[str, Any]) -> None:
    """Raise Unwritable if an event's properties are more than Braze takes."""
    if (size := json_bytes(properties)) > NESTED_BYTES:
        raise Unwritable(f"Braze takes {NESTED_BYTES:,} bytes of an event's properties, these have {size:,}")


def check_object(made: Mapping[str, Any]) -> None:
    """Raise Unwritable if an object alone is more than a request may hold."""
    if (size := json_bytes(made)) > BODY_BYTES - _AROUND:
        raise Unwritable(f"Braze takes {BODY_BYTES:,} bytes in a request, this row has {size:,}")


def _has_moments(value: Any, in_array: bool) -> bool:
    if isinstance(value, dict):
        return any(_has_moments(part, in_array) for part in cast("dict[str, Any]", value).values())
    if isinstance(value, list | tuple):
        return any(_has_moments(part, True) for part in cast("list[Any]", value))
    return in_array and isinstance(value, date)


def _check_keys(name: str, made: Any) -> None:
    if isinstance(made, dict):
        for key, part in cast("dict[str, Any]", made).items():
            if len(key) > TEXT_CHARACTERS or _NO_KEY.search(key):
                raise Unwritable(
                    f"field {name!r}: names in an object have 1 to {TEXT_CHARACTERS} characters in Braze, and"
                    " no space, period or dollar sign"
                )
            _check_keys(name, part)
    elif isinstance(made, list):
        for part in cast("list[Any]", made):
            _check_keys(name, part)
