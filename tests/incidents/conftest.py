"""The bakery, of which only the records are written: no dbt, no Great Expectations, no Dagster run."""

from tests.unit.conftest import another_process as another_process
from tests.unit.conftest import far_east as far_east
from tests.unit.conftest import state_url as state_url
from tests.unit.conftest import store as store
