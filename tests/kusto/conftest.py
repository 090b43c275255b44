"""A mill whose functions are deployed and whose Monday and Tuesday are delivered and filled."""

from collections.abc import Iterator

import pytest

from tests.company import MON, TUE, runs
from tests.delivery.cases.adx import kusto_storage
from tests.doubles.kusto import Kusto
from tests.doubles.kusto_objects import parser_of
from tests.kusto.mill import Mill, land, mill_in, project_in


@pytest.fixture(scope="session")
def mill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    """The mill, for tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("mill")
    kusto = Kusto(kusto_storage(request.config), parser=parser_of(request.config))
    with kusto.running() as url:
        found = mill_in(folder, project_in(folder), kusto, url)
        land(found)
        assert runs(found.company.run()) == [("", True), (MON, True), (TUE, True)]
        found.deploy()
        yield found
        found.company.deployment.close()
