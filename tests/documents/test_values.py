"""The page of values is what the list says; that the list is right is tested by loading it."""

from tests.documents.values import PAGE, page


def test_the_page_of_values_is_what_the_list_says() -> None:
    assert PAGE.read_text() == page(), "python -m tests.documents.renew, and review the difference"
