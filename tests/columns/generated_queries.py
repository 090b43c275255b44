"""Random SELECTs: what people write, and what they can write."""

from tests.columns.query_maker import Query, QueryMaker
from tests.columns.shapes_of_results import RESULTS
from tests.columns.shapes_of_sources import SOURCES


def generated(seed: str) -> Query:
    """Return a query; the same seed, the same query. Not every one is valid SQL."""
    return QueryMaker(seed, (*SOURCES, *RESULTS)).query()
