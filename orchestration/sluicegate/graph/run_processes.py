"""Processes of runs, forked from one that has imported everything.

Dagster's code server starts a new Python for each run, which imports Dagster and dbt anew: seconds of
a run that takes ten. Here Python's own fork server imports them once, and each run is a fork of it. It keeps
modules alone: the project, the manifest and every connection are a run's own, as before.
Belongs here: how a process begins. Does not belong here: what it does, and runs of the command line, which
are in that command's process.
"""

import multiprocessing
import sys
from functools import cache
from multiprocessing.context import BaseContext

_CODE_SERVER = "dagster._grpc.server"
# What a run comes to import, but for what starts a thread when it is imported, which a fork would lose:
# DuckDB, NumPy, PyArrow.
_IMPORTED_ONCE = (_CODE_SERVER, "sluicegate.definitions", "dbt.cli.main")


def fork_runs() -> None:
    """Let the code server of Dagster's that is in this process, if one is, fork its runs."""
    server = sys.modules.get(_CODE_SERVER)
    if server is not None:
        # Private to Dagster, which says `spawn` and asks nobody; a test notices when it changes.
        server.DagsterApiServer._mp_ctx = _Forking()


@cache
def forking_context() -> BaseContext:
    """The context of the fork server, whose process starts with the first run."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED_ONCE))
    return context


class _Forking:
    """Stands for the attribute in which a server keeps its own context: what it keeps there is not used."""

    def __get__(self, _server: object, _class: type) -> BaseContext:
        return forking_context()

    def __set__(self, _server: object, _context: BaseContext) -> None: ...
