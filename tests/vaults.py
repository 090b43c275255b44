"""A Key Vault of a test's own, which its process signs in to; with a clock for what is kept of it.

Belongs here: fixtures. Does not: what a vault answers (`doubles.key_vault`).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sluicegate.core.secrets import by_reference
from sluicegate.core.secrets.by_reference import Kept

from tests.doubles.key_vault import KeyVaultDouble


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What this process keeps of secrets begins empty, with a clock that the test sets."""
    moment = [0.0]
    monkeypatch.setattr(by_reference, "KEPT", Kept(lambda: moment[0]))
    return moment


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[float]) -> Iterator[KeyVaultDouble]:
    with KeyVaultDouble(tmp_path).served() as double:
        for name, value in double.environ.items():
            monkeypatch.setenv(name, value)
        yield double
