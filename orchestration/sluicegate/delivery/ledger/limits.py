"""A difference in numbers, and the limits of an export: past one a plan is held, and a person decides."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isnan
from typing import Any


@dataclass(frozen=True)
class Difference:
    """What differs, counted; `rows` are those of the source, `held` those that the scope holds now.

    `waiting` and `given_up` are refused keys that are left out this time; `forgotten` keys that were erased.
    `outdated` are refused keys that no longer differ or exist. `removes`: what is removed from the source is
    taken out of the destination, too.
    """

    rows: int
    held: int
    added: int
    changed: int
    removed: int
    waiting: int
    given_up: int
    forgotten: int
    whole: bool
    shard_rows: int
    digest: str
    shape: str
    hashed_by: str
    removes: bool = True
    sums: Mapping[str, Any] = field(default_factory=dict[str, Any])
    outdated: tuple[str, ...] = ()

    @property
    def unchanged(self) -> int:
        """How many rows the destination holds as they are."""
        return self.rows - self.added - self.changed - self.waiting - self.given_up - self.forgotten


@dataclass(frozen=True)
class Between:
    """Bounds of a number, both inclusive; None for none."""

    minimum: float | None = None
    maximum: float | None = None

    def broken_by(self, value: float) -> str:
        """Return which bound a number breaks, in words; "" for none. What is no number breaks any."""
        if isnan(value) and (self.minimum is not None or self.maximum is not None):
            return "expected a number"
        if self.minimum is not None and value < self.minimum:
            return f"expected at least {self.minimum:,g}"
        if self.maximum is not None and value > self.maximum:
            return f"expected at most {self.maximum:,g}"
        return ""


@dataclass(frozen=True)
class Limits:
    """What a plan may be without a person's word.

    `rows` bound those of the model's partition; shares are of what the destination holds, 0 to 1; `sums` are
    by field; `empty`: whether a partition without rows may go, None where nobody said, and it may not;
    `first_load` bounds a first delivery's rows.
    """

    rows: Between = Between()
    changed_share: float | None = None
    removed_share: float | None = None
    sums: Mapping[str, Between] = field(default_factory=dict[str, Between])
    empty: bool | None = None
    first_load: int | None = None

    def broken_by(
        self,
        plan: Difference,
        *,
        first: bool,
        rightly_empty: bool = False,
        hidden: Collection[str] = (),
    ) -> tuple[str, ...]:
        """Return every limit that a plan goes past, in words.

        A plan that sends nothing is past none: the destination has these rows, by somebody's word if need be.
        An empty partition is judged all the same. `rightly_empty`: nothing came of all that it is
        made of, as may be. Of the fields in `hidden` no sum is told.
        """
        if plan.rows and not plan.shard_rows and not plan.whole:
            return ()
        found: list[str] = []
        if said := self.rows.broken_by(plan.rows):
            found.append(f"{plan.rows:,} rows; {said} (limits.rows)")
        if not self.empty and not plan.rows and not rightly_empty:
            found.append("the partition is empty (limits.empty: hold)")
        if first and self.first_load is not None and plan.shard_rows > self.first_load:
            found.append(
                f"a first delivery of {plan.shard_rows:,} rows;"
                f" expected at most {self.first_load:,} (limits.first_load)"
            )
        # What is gone from the model stays at the destination where the mode takes nothing out.
        removed = plan.removed if plan.removes else 0
        for name, share, count in (
            ("changed", self.changed_share, plan.changed),
            ("removed", self.removed_share, removed),
        ):
            if share is not None and plan.held and count / plan.held > share:
                found.append(
                    f"{count:,} of {plan.held:,} rows {name} ({count / plan.held:.1%});"
                    f" expected at most {share:.1%} (limits.{name}_share)"
                )
        for name, bounds in self.sums.items():
            total = plan.sums.get(name)
            # An empty partition has no sum; whether it may go is told by `rows` and `empty`.
            if total is not None and (said := bounds.broken_by(float(total))):
                found.append(
                    f"the sum of `{name}` is outside its limits (limits.sums)"
                    if name in hidden
                    else f"sum of {name} is {total:,}; {said} (limits.sums)"
                )
        return tuple(found)
