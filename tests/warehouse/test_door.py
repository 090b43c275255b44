"""Who uses the engine's own connection: those that the port names, and nobody else."""

import ast
import re
from pathlib import Path

import pytest
from sluicegate.core.settings import REPOSITORY
from sluicegate.warehouse import base

PRODUCT = REPOSITORY / "orchestration" / "sluicegate"


def users() -> set[str]:
    """Return the modules outside `warehouse/` that read an attribute `native`."""
    found: set[str] = set()
    for file in PRODUCT.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        # To parse all of the product takes seconds, and few of its files have the word.
        if ".native" not in text:
            continue
        tree = ast.parse(text)
        if any(isinstance(node, ast.Attribute) and node.attr == "native" for node in ast.walk(tree)):
            found.add(file.relative_to(PRODUCT).as_posix())
    return {name for name in found if Path(name).parts[0] != "warehouse"}


@pytest.mark.long
def test_the_port_names_all_who_use_the_door() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", base.__doc__ or "")) - {"tests/warehouse/test_door.py"}
    assert users() == named
