"""The page of operations data is what the views say; what it types is typed in `tests/reporting`."""

from tests.documents.operations import PAGE, page


def test_the_page_of_operations_data_is_what_the_views_say() -> None:
    assert PAGE.read_text() == page(), "python -m tests.documents.renew, and review the difference"
