"""A bakery with work in it, of every kind that dbt and we have.

Belongs here: files. Does not: any expectation.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

TODAY = datetime.now(UTC).date()
NEXT_MONTH = TODAY + timedelta(days=30)
DBT = "dbt_project"


def write(project: Path, files: dict[str, str]) -> None:
    """Write files of a project, with their folders."""
    for name, text in files.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def change(project: Path, name: str, before: str, after: str) -> None:
    """Change a text of a file, which must be there."""
    path = project / name
    text = path.read_text()
    assert before in text, f"{before!r} is not in {name}"
    path.write_text(text.replace(before, after, 1))


def meta(expires: object = NEXT_MONTH) -> str:
    """Return what a table of work says of itself, as a `config`."""
    return f"{{meta: {{owner: ada@bakery.example, expires: {expires}, purpose: Finds out.}}}}"


def open_workshop(project: Path) -> None:
    """Let a bakery have folders for work, seeds, snapshots and macros."""
    change(
        project, f"{DBT}/dbt_project.yml", "    exports:\n", "    work:\n      +schema: work\n    exports:\n"
    )
    change(
        project, f"{DBT}/dbt_project.yml", 'model-paths: ["models"]',
        'model-paths: ["models"]\nseed-paths: ["seeds"]\n'
        'snapshot-paths: ["snapshots"]\ntest-paths: ["tests"]',
    )  # fmt: skip
    change(project, f"{DBT}/dbt_project.yml", "macro-paths:\n", 'macro-paths:\n  - "macros"\n')
    hook = '    +post-hook: "{{ record_table_version() }}"\n'
    of_kind = "\n%s:\n  bakery:\n" + hook + "    +schema: staging\n    work:\n      +schema: work\n"
    with (project / f"{DBT}/dbt_project.yml").open("a") as file:
        file.write(of_kind % "seeds" + of_kind % "snapshots")
    write(project, {"environments.yml": "work: {connections: [sandbox]}\n"})


def one_model(project: Path, expires: object = NEXT_MONTH) -> None:
    """Let there be one model that is work, `wrk_orders`."""
    write(project, {
        f"{DBT}/models/work/wrk_orders.sql":
            "select business_date, shop, loaves from {{ ref('shop_orders') }}\n"
            "where {{ in_partition('business_date') }}\n",
        f"{DBT}/models/work/_wrk_orders.yml":
            f"models:\n  - name: wrk_orders\n    config: {meta(expires)}\n",
    })  # fmt: skip


def sent(project: Path, export: str = "sandbox") -> None:
    """Let what `wrk_orders` says be sent, by an export that is work."""
    write(project, {
        f"{DBT}/models/work/exp_trial.sql":
            "select business_date, shop, loaves from {{ ref('wrk_orders') }}\n"
            "where {{ in_partition('business_date') }}\n",
        f"{DBT}/models/work/_exp_trial.yml": "\n".join([
            "models:", "  - name: exp_trial",
            f"    config: {meta()[:-1]}, contract: {{enforced: true}}}}",
            "    columns:", "      - {name: business_date, data_type: date}",
            "      - {name: shop, data_type: varchar}", "      - {name: loaves, data_type: bigint}", "",
        ]),
        "exports/work/exp_trial.yml": "\n".join([
            "model: exp_trial", "destination:", "  type: blob", f"  connection: {export}", "  object: trial",
            "key: [business_date, shop]", "mode: snapshot", "partitions: each", "owner: ada@bakery.example",
            "purpose: Is looked at.", "",
        ]),
        "expectations/work/exp_trial.yml": "\n".join([
            "expectations:", "  - type: expect_table_row_count_to_be_between", "    kwargs: {min_value: 1}",
            "  - type: expect_column_values_to_not_be_null", "    kwargs: {column: shop}", "",
        ]),
    })  # fmt: skip
