import pytest
pytestmark = pytest.mark.long
from tests.kusto.mill import Mill
def test_x(mill: Mill):
    print(mill.company.status())
    print(mill.sent("."))
    print(mill.company.run(retry=True))
    for t in ("weather","rain_by_town","day_report","towns"): print(t, mill.held(t))
    print(mill.company.status())
    assert 0
