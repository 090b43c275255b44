"""What commands that may take long say while they work: each by what it counts."""

from pathlib import Path
from typing import Any

import pytest
from sluicegate.core import progress
from sluicegate.core.progress import Step

from tests.backup.places import at
from tests.company import MON, TUE, Company

# {what is typed: what it says that it is at, and in what unit}
TYPED = {
    "land weather FOLDER": ("landing weather", "partitions"),
    "run": ("run", "steps"),
    f"table rerun staging.stg_orders --partition {MON}": ("building", "runs"),
    f"table judge staging.stg_orders --from {MON} --to {TUE}": ("judging", "partitions"),
    f"delivery resend exp_shop_orders --partition {MON}": ("sending", "rows"),
    "delivery forget town=Ulm --reason asked": ("forgetting", "exports"),
    "page write --out FOLDER/page": ("writing", "pages"),
    "ops publish FOLDER/ops": ("publishing operations data", "tables"),
    "demo generate FOLDER/feed --days 2": ("writing", "days"),
    "backup create FOLDER/backups": ("copying", "files"),
    "backup verify FOLDER/backups": ("reading", "files"),
    "backup restore FOLDER/backups": ("bringing back", "bytes"),
}  # fmt: skip


class Said(list[Step]):
    """All steps that were ever under way."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: list[Step] = []

    def append(self, one: Step) -> None:
        super().append(one)
        self.ever.append(one)


def test_each_says_what_it_counts(
    open_bakery: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(progress, "_under_way", said)
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / f"{TUE}.csv").write_text(f"date,town,rain_mm\n{TUE},Ulm,1\n")
    for typed, (what, unit) in TYPED.items():
        said.ever.clear()
        words: list[Any] = [word.replace("FOLDER", str(folder)) for word in typed.split()]
        # What is brought back goes to places where nothing is.
        company = (
            at(open_bakery, tmp_path / "restored") if typed.startswith("backup restore") else open_bakery
        )
        _, out, err = company.sluice(*words)
        found = [one for one in said.ever if one.what.startswith(what) and one.unit == unit]
        assert found, (typed, [(one.what, one.unit) for one in said.ever], out, err)
        # All of it was counted, or the command would seem to stop before its end.
        assert all(one.done == one.total for one in found), (typed, found)
        assert any(one.done for one in found), (typed, found)
        assert said == [], typed
