"""What a vendor may ask for when it asks to wait: whatever it says, nobody is kept away for ever.

Belongs here: `Retry-After` and its like, as a delivery feels them. Does not: their forms (`test_pace`).
"""

import math

import pytest
from sluicegate.destinations.http import wait_asked_for

NOW = 1_794_564_000.0
NONSENSE = (
    "inf",
    "-inf",
    "nan",
    "1e999",
    "1e308",
    "9" * 40,
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Feb 2026 10:00:30 GMT",
    "Mon, 01 Jan 0001 00:00:00 GMT",
    "Fri, 13 Nov 2026 99:99:99 GMT",
    "-5",
    "\u0663",
    "0x10",
    "1_0",
    "Fri, 13 Nov 99999 10:00:30 GMT",
    "Fri, 13 Nov 2026 10:00:30 +9999",
    ",",
    "GMT",
    "Fri,",
    "0 0 0 0 0",
    "1794564020",
    "31536000000",
)


@pytest.mark.parametrize(
    "header", ["retry-after", "x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"]
)
@pytest.mark.parametrize("said", NONSENSE)
def test_no_text_keeps_anybody_away_for_longer_than_a_day(header: str, said: str) -> None:
    found = wait_asked_for({header: said}, NOW)
    assert found is None or (math.isfinite(found) and 0 <= found <= 86_400)
