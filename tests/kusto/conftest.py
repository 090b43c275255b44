"""One parser for all tests of a process, and a database for each.

Belongs here: fixtures. Does not: any expectation.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.kusto_objects import Parser, parser_of
from tests.kusto.bench import KustoBench, kusto_bench


@pytest.fixture(scope="session")
def parser(request: pytest.FixtureRequest) -> Parser:
    """Microsoft's parser."""
    return parser_of(request.config)


@pytest.fixture
def kusto_there(tmp_path: Path, parser: Parser) -> Iterator[KustoBench]:
    """A project, a database and records, all empty."""
    with kusto_bench(tmp_path, parser) as bench:
        yield bench
