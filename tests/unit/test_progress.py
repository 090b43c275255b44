"""Every command tells how far it is: what is shown, where, when, and that none is left out."""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Queue

import pytest
from rich.console import Console
from sluicegate.cli import app, opened
from sluicegate.cli import progress as shown
from sluicegate.core import progress
from sluicegate.core.progress import Step, each, step, unseen, watched
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner


class Looks(threading.Event):
    """The clock of a watch, which a test moves: `look` lets it look once, and returns when it has."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._asked, self._told = Queue[None](), Queue[bool]()

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(timeout)
        self._asked.put(None)
        return self._told.get()

    def set(self) -> None:
        super().set()
        self._told.put(True)

    def look(self) -> None:
        self._asked.get()
        self._told.put(False)
        self._asked.get()
        self._asked.put(None)


class Screen(io.StringIO):
    """What a process writes to, be it a terminal or not."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def consoles(terminal: bool, shared: bool = True) -> tuple[Screen, Console, Console]:
    """Return a screen, a console of stderr on it, and one of stdout, which is on it too or is piped away."""
    screen, width = Screen(terminal), 120
    err = Console(file=screen, width=width, force_terminal=terminal, color_system=None)
    out = Console(file=screen if shared else Screen(False), width=width, force_terminal=terminal and shared)
    return screen, err, out


def ticking(seconds: float) -> Callable[[], float]:
    """Return a clock that tells so many seconds more each time."""
    told = iter(float(number) * seconds for number in range(1_000))
    return lambda: next(told)


@pytest.fixture
def no_watch() -> Iterator[None]:
    assert getattr(progress, "_watch") is None  # noqa: B009
    yield
    assert getattr(progress, "_under_way") == []  # noqa: B009
    assert not [one for one in threading.enumerate() if one.name == "progress"]


pytestmark = pytest.mark.usefixtures("no_watch")


def test_a_log_has_a_line_every_ten_seconds() -> None:
    screen, err, out = consoles(terminal=False)
    looks = Looks()
    with watched("sluice backup create", shown.display_on(err, out), lambda: looks, ticking(10)):
        looks.look()
        for path in each("copying shards", ["a", "b", "c"], "files", str):
            looks.look()
            assert path in "abc"
        with step("reading", 3_000_000, "bytes") as one:
            one.add(1_500_000)
            looks.look()
        with step("writing", unit="pages") as one:
            one.add(1_234)
            looks.look()
    assert screen.getvalue().splitlines() == [
        "sluice backup create, 10 s",
        "sluice backup create, 20 s: copying shards: 0 of 3 files, a",
        "sluice backup create, 30 s: copying shards: 1 of 3 files, b",
        "sluice backup create, 40 s: copying shards: 2 of 3 files, c",
        "sluice backup create, 50 s: reading: 1.5 MB of 3.0 MB",
        "sluice backup create, 60 s: writing: 1,234 pages",
    ]
    assert set(looks.waits[1:]) == {10.0}


@pytest.mark.parametrize("shared", [True, False], ids=["stdout too", "stdout piped"])
def test_a_terminal_has_bars_that_go_and_nothing_else_is_mixed_with_them(shared: bool) -> None:
    screen, err, out = consoles(terminal=True, shared=shared)
    looks = Looks()
    with watched("sluice table rerun", shown.display_on(err, out), lambda: looks):
        with step("building", 12, "runs") as one:
            one.add(5)
            looks.look()
        assert "sluice table rerun" in screen.getvalue()
        assert "building: 5 of 12 runs" in screen.getvalue()
        out.print("a line of the answer")
        looks.look()
    piped = "" if shared else getattr(out.file, "getvalue")()  # noqa: B009
    assert "a line of the answer\n" in (piped or screen.getvalue())
    if not shared:
        assert piped == "a line of the answer\n"
        assert "a line of the answer" not in screen.getvalue()
    assert on_screen(screen.getvalue()) == (["a line of the answer"] if shared else [])
    assert looks.waits[0] > looks.waits[-1]


def on_screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end, of what `rich` writes: up, erase, start of line."""
    lines, at, row = [""], 0, 0
    rest = written
    while rest:
        if rest.startswith("\x1b["):
            end = next(n for n, sign in enumerate(rest[2:], start=2) if sign.isalpha())
            count, what = rest[2:end], rest[end]
            if what == "A":
                row -= int(count or 1)
            elif what == "K":
                lines[row], at = "", 0
            rest = rest[end + 1 :]
            continue
        sign, rest = rest[0], rest[1:]
        if sign == "\r":
            at = 0
        elif sign == "\n":
            row, at = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] = lines[row][:at].ljust(at) + sign + lines[row][at + 1 :]
            at += 1
    return [line for line in map(str.rstrip, lines) if line]


class Counting:
    """A display that counts what it is asked for."""

    first = every = 1.0

    def __init__(self) -> None:
        self.shown: list[list[str]] = []
        self.hidden = 0

    def show(self, steps: Sequence[Step], seconds: float) -> None:
        assert seconds >= 0
        self.shown.append([one.what for one in steps])

    def hide(self) -> None:
        self.hidden += 1


def test_nothing_is_shown_while_a_person_is_asked_and_no_thread_is_left() -> None:
    looks, display = [Looks(), Looks()], Counting()
    events = iter(looks)
    with watched("sluice contract new", display, lambda: next(events)):
        looks[0].look()
        with unseen():
            assert display.hidden == 1
            assert not [one for one in threading.enumerate() if one.name == "progress"]
        looks[1].look()
    assert (display.shown, display.hidden) == ([["sluice contract new"]] * 2, 2)


def test_what_ends_in_an_error_is_under_way_no_more() -> None:
    looks, display = Looks(), Counting()
    with pytest.raises(StopIteration), watched("sluice env publish", display, lambda: looks):
        next(iter(one for one in each("publishing", [1, 0], "tables") if one > 1))
    assert display.hidden == 1
    with unseen(), step("in the daemon"):  # where nobody looks
        assert display.shown == []


def commands() -> list[list[str]]:
    """Return how each command is called."""

    def below(group: TyperGroup, words: list[str]) -> Iterator[list[str]]:
        for name, one in group.commands.items():
            if isinstance(one, TyperGroup):
                yield from below(one, [*words, name])
            else:
                yield [*words, name]

    root = get_command(app)
    assert isinstance(root, TyperGroup)
    return list(below(root, []))


def test_each_command_is_looked_at_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """None has to be told to: the watch is around all of them, and knows how each is called."""
    display = Counting()
    named: list[str] = []

    def begun(what: str, display_: object) -> object:
        assert display_ is display
        named.append(what)
        return watched(what, display)

    monkeypatch.setattr(shown, "display_on", lambda *_: display)
    monkeypatch.setattr(shown, "watched", begun)
    wanted = commands()
    for words in wanted:
        assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0
    assert named == [" ".join(["sluice", *words]) for words in wanted]
    assert len(wanted) > 60
    assert display.hidden == len(wanted)


def test_a_line_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    shown.display_on(opened.err, opened.out).show([Step("sluice page write")], 10.0)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "sluice page write, 10 s\n")
