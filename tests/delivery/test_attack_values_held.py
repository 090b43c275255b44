"""Attacks on values and on an application's own table that held, as tables: cheap, and each a promise.

Does not belong here: attempts that succeeded (`test_attack_values`).
"""

import base64
from pathlib import Path
from typing import Any

import pytest

from orchestration.destinations.base import Mode
from orchestration.destinations.blob import BlobDestination
from orchestration.destinations.webhook import WebhookDestination
from tests.doubles.serving import serve
from tests.doubles.webhook import WebhookDouble

from .attack_values import Probe


@pytest.fixture
def probe(tmp_path: Path) -> Probe:
    return Probe(tmp_path)


CHANGES = [
    ("[null]::integer[]", "[]::integer[]"), ("{'a': null::integer}", "null::struct(a integer)"),
    ("['10:00:00+01'::timetz]", "['09:00:00+00'::timetz]"), ("['01'::bit]", "['001'::bit]"),
    ("union_value(a := 1)::union(a integer, b integer)", "union_value(b := 1)::union(a integer, b integer)"),
    ("map {'a': 1, 'b': 2}", "map {'b': 2, 'a': 1}"), ("9007199254740993", "9007199254740992"),
    ("'é'", "'e' || chr(769)"), ("'a' || chr(0)", "'a'"), ("{'a': 0.0::double}", "{'a': -0.0::double}"),
    ("[interval '1 month']", "[interval '30 days']"), ("5::variant", "'5'::variant"), ("1", "'1'"),
]  # fmt: skip


def test_a_change_is_seen_however_small(tmp_path: Path) -> None:
    """Claim 1: a value that became another one is sent, also within others."""
    for place, (before, after) in enumerate(CHANGES):
        folder = tmp_path / str(place)
        folder.mkdir()
        probe = Probe(folder)
        destination = BlobDestination(str(probe.folder / "container"), "o")
        sent = [
            probe.deliver(destination, f"select 1 as k, {value} as v", mode=Mode.SNAPSHOT).sent
            for value in (before, before, after)
        ]
        assert sent == [True, False, True], (before, after)


RAW = bytes([0xFB, 0xEF, 0xBE, 0xFF]) * 6
SECRETS = [("whsec_" + base64.b64encode(RAW).decode(), RAW), ("a+b", b"a+b"), ("ключ", "ключ".encode())]


@pytest.mark.parametrize("secret", SECRETS, ids=["base64", "plus", "unicode"])
@pytest.mark.parametrize("old", [False, True])
def test_either_of_two_secrets_verifies(probe: Probe, secret: tuple[str, bytes], old: bool) -> None:
    """Claim 6: while a secret is rotated, a receiver that knows the one or the other takes all."""
    text, raw = secret
    double: Any = WebhookDouble(secret=raw)
    with serve(double.app) as address:
        first, second = ("another", text) if old else (text.replace("/", "%2F"), "another")
        url = f"webhook://:{first}@{address}/hooks?token=a%2Fb&previous_secret={second}"
        probe.deliver(WebhookDestination(url, "items"), "select 1 as k, 'a' as v")
    assert (double.signatures, double.statuses) == ([2], [200])
