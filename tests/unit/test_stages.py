"""A file's stage, by its folder alone."""

from typing import LiteralString

import pytest
from sluicegate.core.stages import Stage, stage_of

WORK: tuple[LiteralString, ...] = (
    "dbt_project/models/work/wrk_a.sql",
    "dbt_project/models/work/_models.yml",
    "dbt_project/models/work/deep/er/wrk_a.sql",
    "dbt_project/models/work/exports/exp_a.sql",
    "dbt_project/seeds/work/a.csv",
    "dbt_project/snapshots/work/a.sql",
    "dbt_project/tests/work/a.sql",
    "dbt_project/tests/work/generic/a.sql",
    "dbt_project/macros/work/a.sql",
    "dbt_project/transform/work/a.sql",
    "dbt_project/models/WORK/a.sql",
    "dbt_project\\models\\work\\a.sql",
    "exports/work/exp_a.yml",
    "./exports/work/exp_a.yml",
    "exports/work/deep/exp_a.yml",
    "Exports/Work/exp_a.yml",
    "expectations/work/a.yml",
)
PRODUCTION: tuple[LiteralString, ...] = (
    "dbt_project/models/marts/a.sql",
    "dbt_project/models/work.sql",
    "dbt_project/models/work",
    "dbt_project/models/marts/work/a.sql",
    "dbt_project/models/work_a/a.sql",
    "dbt_project/work/a.sql",
    "dbt_project/dbt_packages/work/models/a.sql",
    "dbt_project/dbt_packages/other/models/work/a.sql",
    "dbt_project/tests/generic/work/a.sql",
    "exports/work.yml",
    "exports/exp_work.yml",
    "exports/marts/work/a.yml",
    "expectations/work.yml",
    "contracts/work/a.odcs.yaml",
    "work/models/work/a.sql",
    "environments.yml",
    "dbt_project/../work/macros/a.sql",
    "dbt_project//srv/work/sluice/macros/a.sql",
    "dbt_project/../../work/macros/a.sql",
    "",
)


@pytest.mark.parametrize("file", WORK)
def test_what_lies_in_a_folder_work_is_work(file: str) -> None:
    assert stage_of(file) is Stage.WORK


@pytest.mark.parametrize("file", PRODUCTION)
def test_all_else_is_production(file: str) -> None:
    assert stage_of(file) is Stage.PRODUCTION
