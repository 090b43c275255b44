"""Measurements beside the bare engine and the peer, in one run, as ratios.

Belongs here: programs that print a table of figures. Does not belong here: assertions on time, which on
a busy machine say nothing. `make bench` runs them all; `python -m benchmarks graph_load` runs one, `--list`
says which there are.
"""

import os

# What they make connects to this machine alone; a deployment of which nothing is said is scratch.
os.environ.setdefault("SLUICE_ENVIRONMENT", "local")
