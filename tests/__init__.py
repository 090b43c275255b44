"""The tests. What Python and pytest make of a file's text is kept, whatever the environment says.

Else each of a run's processes makes it anew, and so does each of the hundred that tests start: a quarter of
what such a process takes. Belongs here: that, as it comes before all others. Does not: any fixture.
"""

import os
import sys

sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
