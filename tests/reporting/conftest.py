"""A state store on either engine, in another zone than UTC, and a bakery whose Monday is delivered."""

from tests.incidents.conftest import bakery as records_alone
from tests.incidents.conftest import bakery_project as bakery_project
from tests.unit.conftest import another_process as another_process
from tests.unit.conftest import far_east as far_east
from tests.unit.conftest import state_url as state_url
from tests.unit.conftest import store as store

__all__ = ["records_alone"]
