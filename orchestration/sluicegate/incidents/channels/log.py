"""The log: one line of JSON a notice, for whoever reads the output of what runs here."""

import json
import sys
from collections.abc import Callable

from sluicegate.incidents.channels.base import Channel
from sluicegate.incidents.channels.text import as_data
from sluicegate.incidents.trouble import Notice


def to_output(line: str) -> None:
    """Write a line to the standard output."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class LogChannel(Channel):
    """Whatever takes a line: the standard output, Dagster's log."""

    def __init__(self, write: Callable[[str], None] = to_output) -> None:
        self._write = write

    def send(self, notice: Notice) -> str:
        """Write one line; JSON has no line break inside."""
        self._write(json.dumps({"alert": as_data(notice)}, ensure_ascii=False))
        return ""
