"""`docs/adding-a-source.md`, its first part, typed as it stands: from files to a check that passes."""

import re
import shlex
import subprocess
from pathlib import Path

import duckdb
import pytest
from sluicegate.core.settings import REPOSITORY

from tests.drafts import empty_project, finish

_BLOCK = re.compile(r"(?:`([\w/.]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_the_page_is_typed_from_files_to_a_passing_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPOSITORY / "docs" / "adding-a-source.md").read_text()
    part = page.partition("## In minutes")[2].partition("\n## ")[0]
    blocks = _BLOCK.findall(part)
    assert [kind for _, kind, _ in blocks] == ["sh", "sh", "sh", "sh", "sql", "yaml", "sh"]
    shop = empty_project(tmp_path)
    project = shop.settings.project_dir
    contract = project / "contracts" / "promotion_sales.odcs.yaml"
    monkeypatch.chdir(tmp_path)

    def typed(text: str) -> tuple[int, str]:
        """Type lines until one fails; there is no terminal, so that `contract new` has nobody to ask."""
        code, said = 0, ""
        for line in text.splitlines():
            words = shlex.split(line)
            if words[0] == "sluice":
                code, *told = shop.sluice(*words[1:], COLUMNS="250")
                said += "".join(told)
            else:
                code = subprocess.run(["bash", "-c", line], check=False).returncode
            if code:
                break
        return code, said

    files, unasked, drafting, looking, model, described, running = blocks
    assert typed(files[2]) == (0, "")
    code, said = typed(unasked[2])
    assert (code, contract.exists()) == (2, False)
    option = re.search(r"`(--date-format paid_on=\S+)` or", said)
    assert option is not None
    assert option[1] in drafting[2]
    code, said = typed(drafting[2])
    assert code == 0, said
    code, said = typed(looking[2])
    assert code == 2
    # Each TODO is told, at its line.
    todo = [at for at, line in enumerate(contract.read_text().splitlines(), 1) if "TODO" in line]
    told = re.findall(r"contracts/promotion_sales\.odcs\.yaml:(\d+): .*; expected .*; write it", said)
    assert [int(line) for line in told] == todo
    assert said.count("; write it") == len(todo)
    finish(contract)
    for name, _, text in (model, described):
        (project / name).write_text(text)
    code, said = typed(running[2])
    assert code == 0, said
    assert "no problem found" in said
    with duckdb.connect(str(shop.settings.warehouse_path), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select business_date::varchar, receipt, price::varchar, paid_on::varchar"
            " from staging.stg_promotion_sales order by all"
        ).fetchall()
    assert rows == [
        ("2024-03-08", "0001", "1234.50", "2024-03-05"), ("2024-03-08", "0002", "0.50", "2024-03-06"),
        ("2024-03-09", "0003", "2469.00", "2024-03-07"), ("2024-03-09", "0004", "1.00", "2024-03-08"),
    ]  # fmt: skip
