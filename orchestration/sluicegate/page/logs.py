"""What a step said, as far as it may be shown, and the command that repeats it.

Belongs here: taking out of a log what pages do not show. Does not belong here: where Dagster keeps it
(`graph.step_log`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sluicegate.core.secrets.redaction import keep_out, redacted, secrets_in
from sluicegate.core.settings import Settings
from sluicegate.core.shown_text import Near, shown
from sluicegate.page.look import Look, at
from sluicegate.page.steps import Step, step


@dataclass(frozen=True)
class Line:
    """One event of a step."""

    at: str
    what: str
    said: str
    failed: bool


@dataclass(frozen=True)
class Log:
    """A step's log as it is shown; `gone`: Dagster has no such run any more."""

    run_id: str
    name: str
    key: str
    status: str
    gone: bool
    lines: Sequence[Line]
    outputs: Sequence[tuple[str, str]]
    cut: bool
    run_url: str
    step: Step


def log(look: Look, run_id: str, name: str, instance: Any = None) -> Log:
    """Return what a step said, "" being all of the run; of a run that Dagster does not have, what repeats it.

    `instance` is Dagster's, where it is open already.
    """
    from sluicegate.graph.step_log import reading, step_log  # seconds, and only logs need it

    opened: AbstractContextManager[Any] = (
        reading(look.settings) if instance is None else nullcontext(instance)
    )
    with opened as dagster:
        found = step_log(dagster, run_id, name) if dagster is not None else None
        if dagster is not None and found is not None and not found.events and not found.stderr and name:
            found = step_log(dagster, run_id, "")  # judged or sent by hand: the run is a job of its own
    repeats = step(look, name, found.partition_key if found else "")
    url = look.run_url(run_id, name)
    if found is None:
        return Log(run_id, name, "", "", True, (), (), False, url, repeats)
    near = look.near(repeats.relation)
    clean = Cleaned(look.settings, near)
    lines = [Line(at(one.at), one.what, clean(one.said), one.failed) for one in found.events]
    outputs = [
        (kind, clean(text)) for kind, text in (("stderr", found.stderr), ("stdout", found.stdout)) if text
    ]
    return Log(
        run_id, name, found.partition_key, found.status, False, lines, outputs, found.cut, url, repeats
    )


class Cleaned:
    """Takes out of a text what pages do not show: secrets, and near classified values all but known words."""

    def __init__(self, settings: Settings, near: Near) -> None:
        self._near = near
        urls = [*settings.connections.values(), settings.state_url, settings.azure_connection_string]
        told = [url.get_secret_value() for url in urls if url is not None]
        masking = [settings.masking_key.get_secret_value()] if settings.masking_key is not None else []
        # From here on no text of this process has them, in whichever form.
        keep_out([*(secret for url in told for secret in secrets_in(url)), *masking])

    def __call__(self, text: str) -> str:
        """Return what may be shown of a text."""
        return "\n".join(shown(line, self._near) for line in redacted(text).splitlines())
