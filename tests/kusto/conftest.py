"""One parser for all tests of a process, and a database for each; and a mill, with which nothing is wrong.

Belongs here: fixtures. Does not: any expectation.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.company import MON, TUE, runs
from tests.delivery.cases.adx import kusto_storage
from tests.doubles.kusto import Kusto
from tests.doubles.kusto_objects import Parser, parser_of
from tests.kusto.bench import KustoBench, kusto_bench
from tests.kusto.mill import Mill, land, mill_in, project_in


@pytest.fixture(scope="session")
def parser(request: pytest.FixtureRequest) -> Parser:
    """Microsoft's parser."""
    return parser_of(request.config)


@pytest.fixture
def kusto_there(tmp_path: Path, parser: Parser) -> Iterator[KustoBench]:
    """A project, a database and records, all empty."""
    with kusto_bench(tmp_path, parser) as bench:
        yield bench


@pytest.fixture(scope="session")
def mill(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, parser: Parser
) -> Iterator[Mill]:
    """A mill whose Monday and Tuesday are delivered, and whose functions are deployed since."""
    folder = tmp_path_factory.mktemp("mill")
    kusto = Kusto(kusto_storage(request.config), parser=parser)
    with kusto.running() as url:
        found = mill_in(folder, project_in(folder), kusto, url)
        land(found)
        assert runs(found.company.run()) == [("", True), (MON, True), (TUE, True)]
        found.deploy()
        found.company.deployment.close()
        with found.copied(tmp_path_factory.mktemp("filled")) as copy:
            copy.fill_everything()
            # What the parser has said of the functions is lent to all copies.
            words = copy.company.settings.data_dir / "kusto"
            shutil.copytree(words, found.company.settings.data_dir / "kusto", dirs_exist_ok=True)
        yield found
