"""What an export file may say: its fields, their defaults and what a value must be.

Belongs here: rules that one field, or two beside each other, can break. Does not belong here: what needs
the kind of destination (`exports`), the model (`exported_model`, `graph_rules`) or a clock (`last_mile`).
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, create_model, field_validator

from sluicegate.contracts.columns import OPEN_CLASSIFICATIONS
from sluicegate.core.freshness import UNITS, DurationError, duration
from sluicegate.core.owners import OWNER_EXPECTED, is_owner
from sluicegate.delivery.export_files.last_mile import LastMileRule
from sluicegate.delivery.export_files.strict import Strict
from sluicegate.destinations.base import Mode, NoOptions
from sluicegate.destinations.registry import destination_types

Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class DurationSpec(Strict):
    """A length of time: `latency` `unit`s, such as 36 h; at least a minute."""

    unit: str = Field(json_schema_extra={"enum": list(UNITS)})
    latency: float = Field(strict=True, json_schema_extra={"exclusiveMinimum": 0})

    @field_validator("unit")
    @classmethod
    def _known(cls, unit: str) -> str:
        if unit not in UNITS:
            raise ValueError(f"one of: {', '.join(UNITS)}")
        return unit

    @field_validator("latency")
    @classmethod
    def _a_duration(cls, latency: float, info: ValidationInfo) -> float:
        try:
            duration(latency, info.data.get("unit", "d"))  # a wrong unit has its own error
        except DurationError as error:
            raise ValueError(error.expected) from None
        return latency

    @property
    def span(self) -> timedelta:
        """The same as a timedelta."""
        return duration(self.latency, self.unit)


class DestinationSpec(Strict):
    """Where an export goes; `options` are those of its type, validated with its `options_model`."""

    type: str
    """The kind of destination."""
    connection: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """A name; its URL comes from the environment, SLUICE_CONNECTION_<NAME>."""
    object: Name
    """A table, a folder, a CRM's object type: what is written there. One export an object."""
    options: NoOptions = NoOptions()
    """What only this kind of destination can be told."""


class NumberRange(Strict):
    """From `min` to `max`, both included; one of them may be left open."""

    min: Number | None = None
    max: Number | None = Field(default=None, validate_default=True)

    @field_validator("max")
    @classmethod
    def _above(cls, most: float | None, info: ValidationInfo) -> float | None:
        _check_range(most, info)
        return most


class CountRange(Strict):
    """From `min` to `max` rows, both included; one of them may be left open."""

    min: Count | None = None
    max: Count | None = Field(default=None, validate_default=True)

    @field_validator("max")
    @classmethod
    def _above(cls, most: int | None, info: ValidationInfo) -> int | None:
        _check_range(most, info)
        return most


def _check_range(most: float | None, info: ValidationInfo) -> None:
    least: float | None = info.data.get("min")
    if most is None and least is None and "min" in info.data:
        raise ValueError("a number here, at `min`, or both")
    if most is not None and least is not None and most < least:
        raise ValueError(f"at least what `min` says, {least}")


class LimitsSpec(Strict):
    """What a delivery may be without a person's approval; past one of these it is held, nothing is sent."""

    rows: CountRange | None = None
    """How many rows the partition has."""
    changed_share: Share | None = None
    """How many of the rows that the destination holds may be changed, 0 to 1."""
    removed_share: Share | None = None
    """How many of the rows that the destination holds may be removed, 0 to 1."""
    sums: Mapping[str, NumberRange] = {}
    """{model column: what its sum over the partition's rows may be}."""
    empty: Literal["hold", "send"] = "hold"
    """Whether a partition without a row is held, but for one of days that contracts let be empty."""
    first_load: Count | None = None
    """The most rows of a first delivery, to where nothing of this export is held yet."""


class RefusalsSpec(Strict):
    """What becomes of rows that the destination does not take; they are tried again with later deliveries."""

    tolerated_share: Share = 0.0
    """How many of a delivery's rows may be refused before its run is red, 0 to 1."""
    attempts: int = Field(default=5, strict=True, ge=1)
    """How often a row is tried in all, before it is given up."""
    wait: DurationSpec = DurationSpec(latency=15, unit="min")
    """How long a row waits before its second try, then twice as long, and so on, a day at most."""


class ExportSpec(Strict):
    """One dbt model, whole, to one destination object."""

    model: str
    """The dbt model, exp_…; the file is named after it."""
    destination: DestinationSpec
    """Where it goes."""
    key: tuple[str, ...] = Field(min_length=1)
    """The model's columns that make a row: unique together and never null."""
    mode: Mode
    """append adds rows; upsert adds and changes; mirror removes as well; snapshot replaces all, each time."""
    partitions: Literal["each", "latest"]
    """each: every partition is delivered, a corrected one again, and the key has to tell rows of different
    partitions apart. latest: the destination holds the newest validated partition, whose column is not sent;
    a correction of an older one never goes out."""
    names: Mapping[str, Name] = {}
    """{model column: what the destination calls it}, where the two differ."""
    classes: tuple[Name, ...] = tuple(sorted(OPEN_CLASSIFICATIONS - {""}))
    """The data classes that the destination may receive; columns of others keep the export from loading."""
    owner: str
    """Who answers for what is sent: an e-mail address, or team:NAME."""
    channel: Name | None = None
    """Where the owner's people talk."""
    purpose: Name
    """What the destination does with it, in one sentence."""
    deadline: DurationSpec | None = None
    """How long after its end a partition must have been delivered; starts nothing and holds nothing."""
    limits: LimitsSpec = LimitsSpec()
    """Past one of these a delivery is held until a person approves it."""
    refusals: RefusalsSpec = RefusalsSpec()
    """What becomes of rows that the destination does not take."""
    budget: DurationSpec = DurationSpec(latency=30, unit="min")
    """How long one delivery may take."""
    last_mile: tuple[LastMileRule, ...] = ()
    """Filters and fixed mappings, for a time; what lasts belongs in the dbt model."""

    @property
    def latest_only(self) -> bool:
        """Whether the destination holds the newest partition alone."""
        return self.partitions == "latest"

    @field_validator("owner")
    @classmethod
    def _is_owner(cls, owner: str) -> str:
        if not is_owner(owner):
            raise ValueError(OWNER_EXPECTED)
        return owner

    @field_validator("key", "classes")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("each name once")
        return names


@cache
def spec_model(destination_type: str) -> type[ExportSpec]:
    """Return the fields of an export to a known type of destination: `destination.options` are its own."""
    options = destination_types[destination_type].options_model
    required = any(field.is_required() for field in options.model_fields.values())
    default: Any = ... if required else Field(default_factory=options)
    tag: Any = Literal[destination_type]  # pyright: ignore[reportInvalidTypeForm]
    destination = create_model(
        f"{destination_type.title()}Destination",
        __base__=DestinationSpec,
        __doc__=DestinationSpec.__doc__,
        type=(tag, ...),
        options=(options, default),
    )
    return create_model(
        "ExportSpec", __base__=ExportSpec, __doc__=ExportSpec.__doc__, destination=(destination, ...)
    )
