"""dbt, run in this process.

dbt's command line costs seconds of start-up a call; its programmatic `dbtRunner` with a manifest in
memory costs a fraction of one. dbt reads the environment and holds global state, so one call at a time.
"""

import json
import os
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock

from sluicegate.core.problems import ProjectChanged
from sluicegate.core.scratch import scratch_directory
from sluicegate.core.secrets.redaction import redacted
from sluicegate.core.settings import Settings
from sluicegate.core.shown_text import NOTHING_CLASSIFIED, Near, shown
from sluicegate.transformation.before_commit import BeforeCommit, asked_before_commit
from sluicegate.transformation.before_execution import Refuse, asked_before_execution
from sluicegate.transformation.dbt_eased import ease_dbt
from sluicegate.transformation.project_files import record_parse, stamp_of, touched

_LOCK = threading.Lock()
# What was parsed in this process, by project files and database: the last few. Two deployments of one project
# share it, as nothing of it is theirs; where the warehouse lies is told by each call's profile.
_PARSED: dict[tuple[str, str], Any] = {}
_MOST_PARSED = 4
# A test that reads two models comes with both unless told not to; unit tests are for `make test`.
_NOTHING_ELSE = ("--indirect-selection", "empty", "--exclude-resource-type", "unit_test")
# What dbt says where its event on a test, whose number has 32 bits, is an error (else its log has a note).
_NUMBER_TOO_LARGE = "Failed to parse num_failures field: Value out of range"
# The resources of a manifest that leave a table behind.
TABLE_RESOURCES = ("model", "seed", "snapshot")


class DbtError(Exception):
    """dbt failed; carries its messages."""


class DbtStatus(StrEnum):
    """dbt's words for what a node has come to."""

    SUCCESS = "success"
    PASSED = "pass"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    SKIPPED = "skipped"
    NO_OP = "no-op"
    PARTIAL_SUCCESS = "partial success"
    RUNTIME_ERROR = "runtime error"


@dataclass(frozen=True)
class DbtResult:
    """What dbt says of one node."""

    unique_id: str
    status: DbtStatus
    message: str
    failures: int | None
    seconds: float
    compiled_code: str


class DbtProcess:
    """dbt for one project directory and warehouse.

    `stamp` is that of the parse which the graph was made of (`project_files.stamp_of`): graph and SQL are of
    one parse, so nothing is run of any other. Without one, each call takes the project as it is then.
    `before_commit` is called before what was built is committed, and keeps it from that if it raises.
    """

    def __init__(
        self, settings: Settings, stamp: str | None = None, before_commit: BeforeCommit | None = None
    ) -> None:
        self._settings = settings
        self._stamp = stamp
        self._before_commit = before_commit
        self._manifest: Any = None

    def parse(self) -> None:
        """Parse the project whole, write `manifest.json`, and keep the manifest for later calls.

        Not by halves: dbt takes a YAML file for unchanged that has the time of modification which it had.
        """
        self._invoke(["parse", "--no-partial-parse", "--write-json"])
        record_parse(self._settings, self._manifest)

    def build(
        self,
        name: str,
        tests: Sequence[str],
        variables: Mapping[str, str],
        near: Near = NOTHING_CLASSIFIED,
        refuse: Refuse | None = None,
    ) -> tuple[DbtResult, list[DbtResult]]:
        """Build one model, seed or snapshot and run these of its data tests, in one call of dbt.

        `near` is what its messages may quote. SQL that `refuse` finds something wrong with is not executed.

        Raises:
            DbtError: dbt failed to build it; a failing test is a result, not an exception.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        results = self._invoke(
            ["build", "--select", name, *tests, *_NOTHING_ELSE], variables, near, refuse, may_fail=True
        )
        tables = [result for result in results if result.unique_id.split(".")[0] in TABLE_RESOURCES]
        if len(tables) != 1:
            raise DbtError(f"dbt built {len(tables)} tables for `{name}`; expected one")
        if tables[0].status is not DbtStatus.SUCCESS:
            raise DbtError(tables[0].message)
        return tables[0], [result for result in results if result.unique_id.startswith("test.")]

    def compiled(self, name: str, variables: Mapping[str, str], near: Near = NOTHING_CLASSIFIED) -> str:
        """Return the SQL that builds a model, as dbt compiles it now; "" of a seed.

        Raises:
            DbtError: dbt could not compile it.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        results = self._invoke(["compile", "--select", name, "--no-inject-ephemeral-ctes"], variables, near)
        return next((result.compiled_code for result in results), "")

    def compiled_without_data(
        self, selectors: Sequence[str], variables: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Compile what dbt selects by these, as of an empty warehouse.

        Returns:
            {dbt's unique id: compiled SQL}, and {dbt's unique id: what dbt said} of what does not compile.
            What is made of those is in neither.

        Raises:
            DbtError: dbt did not come to compiling.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        with scratch_directory(self._settings.data_dir / "scratch") as folder:
            # Of the same name, which every relation has.
            path = folder / self._settings.warehouse_path.name
            empty = DbtProcess(self._settings.model_copy(update={"warehouse_path": path}), self._stamp)
            empty._manifest = self._manifest
            results = empty._invoke(
                ["compile", "--select", *selectors, "--indirect-selection", "empty"],
                variables,
                may_fail=True,
            )
        return (
            {item.unique_id: item.compiled_code for item in results if item.status is DbtStatus.SUCCESS},
            {item.unique_id: item.message for item in results if item.status is DbtStatus.ERROR},
        )

    def test(
        self,
        names: Sequence[str],
        variables: Mapping[str, str],
        near: Near = NOTHING_CLASSIFIED,
        refuse: Refuse | None = None,
    ) -> list[DbtResult]:
        """Run data tests by name; a failing test is a result, not an exception.

        SQL that `refuse` finds something wrong with is not executed: its result is an error.

        Raises:
            DbtError: dbt did not come to running them.
            ProjectChanged: a file is another than in the parse that the graph was made of.
        """
        arguments = ["test", "--select", *names, *_NOTHING_ELSE]
        return self._invoke(arguments, variables, near, refuse, may_fail=True)

    def _invoke(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None = None,
        near: Near = NOTHING_CLASSIFIED,
        refuse: Refuse | None = None,
        *,
        may_fail: bool = False,
    ) -> list[DbtResult]:
        ease_dbt()
        from dbt.cli.main import dbtRunner

        settings = self._settings
        messages: list[str] = []
        with _LOCK, _environment(settings.environment()):
            settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
            if self._manifest is None and arguments[0] != "parse":
                self._manifest = _PARSED.get(_project(settings))
            if self._manifest is None and arguments[0] != "parse":
                self._keep(self._parsed_again(dbtRunner(), messages))
            # dbt reads its project file and profile anew at each call, and a seed when it is built.
            if arguments[0] != "parse":
                self._require_unchanged()
            runner = dbtRunner(manifest=self._manifest, callbacks=[lambda event: _collect(event, messages)])
            try:
                with asked_before_commit(self._before_commit), asked_before_execution(refuse) as refused:
                    outcome = self._call(runner, arguments, variables, near)
            finally:
                _release_warehouse()
            if arguments[0] == "parse":
                self._keep(self._checked(outcome, messages))
                return []
            self._require_unchanged()
        results = [_result(item, near, refused) for item in _items(outcome)]
        if outcome.exception is not None or (not outcome.success and not (may_fail and results)):
            raise DbtError(shown(_message(outcome, messages, results), near))
        return results

    def _parsed_again(self, runner: Any, messages: Sequence[str]) -> Any:
        """Parse in this process what the graph was made of.

        What dbt kept of the last parse is used where it is of these very files, as the stamp beside it says:
        dbt takes a YAML file for unchanged that has the time of modification which it had.
        """
        folder = self._settings.dbt_target_dir
        folder.mkdir(parents=True, exist_ok=True)
        stamped = folder / "manifest.stamp"
        with FileLock(folder.parent / "manifest.lock"):
            self._require_unchanged()
            kept = stamped.exists() and stamped.read_text() == stamp_of(self._settings)
            if not kept:
                stamped.unlink(missing_ok=True)
            whole = [] if kept else ["--no-partial-parse"]
            before = touched(self._settings)
            parsed = self._checked(self._call(runner, ["parse", "--no-write-json", *whole], None), messages)
            self._require_unchanged()
            if touched(self._settings) != before:
                raise ProjectChanged("the dbt project")
        return parsed

    def _require_unchanged(self) -> None:
        if self._stamp is not None and stamp_of(self._settings) != self._stamp:
            raise ProjectChanged("the dbt project")

    def _keep(self, manifest: Any) -> None:
        self._manifest = manifest
        project = _project(self._settings)
        _PARSED.pop(project, None)
        _PARSED[project] = manifest
        while len(_PARSED) > _MOST_PARSED:
            _PARSED.pop(next(iter(_PARSED)))

    def _call(
        self,
        runner: Any,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None,
        near: Near = NOTHING_CLASSIFIED,
    ) -> Any:
        """Call dbt; where anything classified is near, it writes no log and leaves no compiled SQL behind.

        Its log quotes values, and compiled SQL has those that a macro has asked the warehouse for.
        """
        if not near.classified:
            return self._call_into(self._settings.dbt_target_dir, "info", runner, arguments, variables)
        with scratch_directory(self._settings.data_dir / "scratch") as folder:
            return self._call_into(folder, "none", runner, arguments, variables)

    def _call_into(
        self,
        target: Path,
        log_level: str,
        runner: Any,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None,
    ) -> Any:
        settings = self._settings
        return runner.invoke(
            [
                *arguments,
                *(["--vars", json.dumps(dict(variables))] if variables else []),
                "--project-dir", str(settings.dbt_dir),
                "--profiles-dir", str(settings.dbt_dir),
                "--target-path", str(target),
                "--log-path", str(settings.data_dir / "dbt" / "logs"),
                "--quiet", "--no-use-colors", "--no-version-check",
                "--log-level", "none", "--log-level-file", log_level,
                # The manifest is on disk already, and results come back in memory: writing both anew
                # takes longer than most models do.
                *([] if arguments[0] == "parse" else ["--no-write-json", "--no-populate-cache"]),
            ]
        )  # fmt: skip

    def _checked(self, outcome: Any, messages: Sequence[str]) -> Any:
        if not outcome.success:
            raise DbtError(_message(outcome, messages, []))
        return outcome.result


def _project(settings: Settings) -> tuple[str, str]:
    """What a parsed manifest depends on: the files, and the database's name, which every relation has."""
    return stamp_of(settings), settings.warehouse_path.stem


def _release_warehouse() -> None:
    """Close the file that dbt-duckdb keeps open between calls: it would lock out other processes."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    with suppress(Exception):  # dbt has no environment where it did not come to connecting
        DuckDBConnectionManager.env().close()


@contextmanager
def dbt_environment(settings: Settings) -> Generator[None]:
    """Let dbt's own code read the environment that each call here reads; no call is under way meanwhile."""
    ease_dbt()
    from dbt_common.context import set_invocation_context

    with _LOCK, _environment(settings.environment()):
        set_invocation_context(os.environ.copy())
        yield


@contextmanager
def _environment(variables: Mapping[str, str]) -> Generator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _collect(event: Any, messages: list[str]) -> None:
    if event.info.level == "error":
        messages.append(str(event.info.msg))


def _message(outcome: Any, messages: Sequence[str], results: Sequence[DbtResult]) -> str:
    failed = [f"{item.unique_id}: {item.message}" for item in results if item.status is DbtStatus.ERROR]
    said = failed or list(messages) or [str(outcome.exception or "dbt failed without a message")]
    return redacted("\n".join(dict.fromkeys(text.strip() for text in said)))


def _items(outcome: Any) -> list[Any]:
    return list(getattr(outcome.result, "results", None) or [])


def _result(item: Any, near: Near, refused: Mapping[str, str]) -> DbtResult:
    return DbtResult(
        unique_id=item.node.unique_id,
        status=DbtStatus(item.status),
        message=refused.get(item.node.unique_id) or _told(item.message or "", near),
        failures=item.failures,
        seconds=float(item.execution_time),
        compiled_code=str(getattr(item.node, "compiled_code", "") or ""),
    )


def _told(message: str, near: Near) -> str:
    """Return what may be shown of dbt's message on a node, and where its own words help nobody, ours."""
    if _NUMBER_TOO_LARGE in message:
        return "`fail_calc` gives a number that dbt's events do not hold; expected one below 2^31"
    return shown(message, near)
