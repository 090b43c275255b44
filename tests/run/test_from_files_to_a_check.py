"""`docs/adding-a-source.md`, its first part, typed as it stands: from files to a check that passes, without Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from orchestration.core.settings import REPOSITORY
from tests.drafts import finish

KIOSK = REPOSITORY / "tests" / "companies" / "kiosk"
_BLOCK = re.compile(r"(?:`([\w/.]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_the_page_is_typed_from_files_to_a_passing_check(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "adding-a-source.md").read_text()
    part = page.partition("## In minutes")[2].partition("\n## ")[0]
    blocks = _BLOCK.findall(part)
    assert [kind for _, kind, _ in blocks] == ["sh", "sh", "sh", "sh", "sql", "yaml", "sh"]
    project = shutil.copytree(KIOSK, tmp_path / "project")
    contract = project / "contracts" / "shop_sales.odcs.yaml"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")}
    environment = plain | {
        "SLUICE_PROJECT_DIR": str(project), "SLUICE_DATA_DIR": str(tmp_path / "data"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "250",
    }  # fmt: skip

    def typed(text: str) -> tuple[int, str]:
        # No terminal: `contract new` has nobody to ask.
        done = subprocess.run(
            ["bash", "-e", "-c", text], cwd=tmp_path, env=environment, text=True, timeout=200,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

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
    told = re.findall(r"contracts/shop_sales\.odcs\.yaml:(\d+): .*; expected .*; write it", said)
    assert [int(line) for line in told] == todo
    assert said.count("; write it") == len(todo)
    finish(contract)
    for name, _, text in (model, described):
        (project / name).write_text(text)
    # The kiosk's own feeds have not landed, so of its exports there is nothing to send.
    code, said = typed(running[2])
    assert code == 0, said
    assert "no problem found" in said
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute(
            "select business_date::varchar, receipt, price::varchar, paid_on::varchar"
            " from staging.stg_shop_sales order by all"
        ).fetchall()
    assert rows == [
        ("2024-03-08", "0001", "1234.50", "2024-03-05"), ("2024-03-08", "0002", "0.50", "2024-03-06"),
        ("2024-03-09", "0003", "2469.00", "2024-03-07"), ("2024-03-09", "0004", "1.00", "2024-03-08"),
    ]  # fmt: skip
