"""Words of severity: which of them hold what comes after, and that dbt has no others."""

from __future__ import annotations

import pytest
from sluicegate.core.severity import Severity
from sluicegate.quality.suites import Rule
from sluicegate.transformation.runner import DbtStatus


def test_of_a_suites_words_one_holds() -> None:
    assert {word: word.blocks for word in Severity} == {"critical": True, "warning": False, "info": False}
    assert Rule(type="expect_nothing").severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("config", "blocks"),
    [
        ({"severity": "error"}, True), ({"severity": "ERROR"}, True), ({"severity": "Warn"}, False),
        ({"severity": None}, True), ({}, True),
    ],
)  # fmt: skip
def test_of_dbts_words_one_holds_in_whatever_case(config: dict[str, str | None], blocks: bool) -> None:
    assert Severity.of_dbt(config).blocks is blocks


@pytest.mark.parametrize("word", ["critical", "errors", "none", " error"])
def test_a_word_that_dbt_does_not_have_is_refused(word: str) -> None:
    with pytest.raises(KeyError, match=word):
        Severity.of_dbt({"severity": word})


def test_dbt_has_these_words_and_no_others() -> None:
    from dbt.artifacts.schemas.results import NodeStatus

    assert {str(word) for word in NodeStatus} == set(DbtStatus)
