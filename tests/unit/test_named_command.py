"""That a fix which asks to run something again names the command to type."""

import re
from pathlib import Path

import pytest

from orchestration.delivery.ledger import Order
from orchestration.delivery.named_command import fix_with_command, naming_the_command
from orchestration.destinations.base import DeliveryError, Mode
from orchestration.state.records import DeliveryKind

ORDER = Order("exp_items", "2022-10-03", ("item",), Mode.MIRROR, "business_date", model="marts.items")
RESYNC = Order("exp_items", "", ("item",), Mode.MIRROR, None, model="marts.items", kind=DeliveryKind.RESYNC)
SOURCES = Path(__file__).parents[2] / "orchestration"
# What messages say, in the words of every destination.
ASKING = re.compile(r'"[^"`]*\b(?:rerun|run) (?:the|this|again|later)\b[^"`]*"')


@pytest.mark.parametrize(
    ("fix", "order", "command"),
    [
        ("rerun the partition", ORDER, "`sluice table rerun marts.items --partition 2022-10-03`"),
        ("see who does it; run again later: nothing was changed", ORDER, "`sluice table rerun marts.items"),
        ("rerun the partition", RESYNC, "`sluice delivery resend exp_items`"),
        ("cast the column in the model", ORDER, ""),
        ("`sluice delivery resend exp_items`, then run it", ORDER, ""),
    ],
)
def test_a_fix_that_asks_to_run_again_names_the_command(fix: str, order: Order, command: str) -> None:
    said = fix_with_command(fix, order)
    assert said.startswith(fix)
    assert command in said
    assert bool(command) == (said != fix)


def test_every_fix_of_a_destination_that_asks_for_it_is_known() -> None:
    """Whatever the sources ask for in such words gets a command."""
    asked = [
        text
        for folder in ("destinations", "delivery")
        for file in (SOURCES / folder).rglob("*.py")
        for text in ASKING.findall(file.read_text())
    ]
    assert len(asked) > 10
    assert all("`sluice table rerun" in fix_with_command(text, ORDER) for text in asked)


def test_an_error_on_its_way_says_the_command() -> None:
    with pytest.raises(DeliveryError) as caught, naming_the_command(ORDER):
        raise DeliveryError("it broke", "a server", "rerun the partition")
    assert (
        "mend: rerun the partition; that is `sluice table rerun marts.items --partition 2022-10-03`"
        in str(caught.value)
    )
    assert caught.value.args[2] == caught.value.mend, "and so it does after pickling"
