"""Private directories: gone with their process, however it ended, and nobody else's."""

import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sluicegate.core.scratch import scratch_directory

from tests.machines import elsewhere

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = 2**22
_CODE = """
import sys
from pathlib import Path
from sluicegate.core.scratch import scratch_directory
with scratch_directory(Path(sys.argv[1])) as made:
    (made / "rows").write_text("Ada")
    print(made, flush=True)
    input()
"""


@contextmanager
def at_work(
    folder: Path, place: Callable[[Sequence[str]], list[str]]
) -> Generator[tuple[Path, "subprocess.Popen[str]"]]:
    """Another process in a place, which has a directory there with a file in it."""
    command, pipe = place([sys.executable, "-c", _CODE, str(folder)]), subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


def here(command: Sequence[str]) -> list[str]:
    return list(command)


@pytest.mark.long
@pytest.mark.parametrize("place", [here, elsewhere])
def test_another_process_keeps_its_own_until_it_is_killed(
    tmp_path: Path, place: Callable[[Sequence[str]], list[str]]
) -> None:
    with at_work(tmp_path, place) as (theirs, process):
        with scratch_directory(tmp_path) as ours:
            assert ours != theirs
            assert (theirs / "rows").read_text() == "Ada"
        process.kill()
        while theirs.exists():  # what is in the namespace ends a moment later
            with scratch_directory(tmp_path):
                pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> None:
        with scratch_directory(tmp_path) as made:
            (made / "rows").write_text("Ada")
            assert made.stat().st_mode & 0o777 == 0o700
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert list(tmp_path.iterdir()) == []


def test_what_older_code_left_is_cleared_and_what_nobody_knows_stays(tmp_path: Path) -> None:
    for name in (f"{NOBODY}-abc", "1-abc", "kept"):
        (tmp_path / name).mkdir()
    (tmp_path / "never_made.lock").touch()
    with scratch_directory(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-abc", "kept"]
