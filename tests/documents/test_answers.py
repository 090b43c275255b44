"""The page of answers is what the decision tables say, and each destination has a whole one."""

import pytest
from sluicegate.destinations.answers import Meaning
from sluicegate.destinations.decisions import decisions
from sluicegate.destinations.registry import destination_types

from tests.documents.answers import PAGE, page


def test_the_page_of_answers_is_what_the_tables_say() -> None:
    assert PAGE.read_text() == page(), "python -m tests.documents.renew, and review the difference"


@pytest.mark.parametrize("name", destination_types)
def test_every_destination_says_what_each_meaning_comes_of(name: str) -> None:
    found = {line.meaning for line in decisions[name]}
    # What is written whole, in one transaction or not at all, is never refused row by row.
    assert found >= set(Meaning) - {Meaning.REFUSED}
    assert all(line.answer and line.then for line in decisions[name])
