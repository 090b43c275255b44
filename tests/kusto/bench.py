"""A project's `kusto/`, a database that understands its commands, and records: all real but the cluster.

Belongs here: making them, and a plan and a deploy as the command does. Does not: any expectation.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluicegate.core.environments import Environment
from sluicegate.core.stages import Stage
from sluicegate.kusto.deploying import alone, cluster_of, deploy, planned
from sluicegate.kusto.language.engine import Command, KustoLanguage
from sluicegate.kusto.objects import Fed, KustoProject
from sluicegate.kusto.parsed import Parses
from sluicegate.kusto.places import Place
from sluicegate.kusto.planned import Plan, State
from sluicegate.kusto.reading import load_kusto
from sluicegate.state.store import StateStore

from tests.doubles.kusto import Kusto
from tests.doubles.kusto_objects import Parser

ITEMS = Fed(
    "items", "exp_items", "telemetry", Stage.PRODUCTION,
    [("day", "datetime"), ("item", "long"), ("note", "string")], "exports/exp_items.yml",
)  # fmt: skip
MAKE_ITEMS = ".create-merge table ['items'] (['day']:datetime, ['item']:long, ['note']:string)"
DATABASE_YML = "connection: telemetry\nscratch: scratch_db\n"


class Lent:
    """The test process's parser as the product starts one; its end is no end."""

    def __init__(self, parser: Parser) -> None:
        self._parser = parser

    def __enter__(self) -> "Lent":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def command(self, text: str, kinds: Sequence[str] = ()) -> Command:
        """What was parsed before in this process costs nothing."""
        known = self._parser.known
        if (text, kinds) not in known:
            known[text, kinds] = self._parser.language.command(text, kinds)
        return known[text, kinds]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser.language, name)


@dataclass
class KustoBench:
    """A folder with a project, a double, and a state store."""

    folder: Path
    parser: Parser
    kusto: Kusto
    url: str
    store: StateStore
    said: list[str] = field(default_factory=list[str])
    starts: int = 0
    kind: Environment = Environment.PRODUCTION
    feeds: Sequence[Fed] = (ITEMS,)

    @property
    def project_dir(self) -> Path:
        return self.folder / "project"

    def write(self, files: Mapping[str, str], *, whole: bool = True) -> None:
        """Write files of kusto/, by their names in it; `whole`: nothing else is there."""
        root = self.project_dir / "kusto"
        if whole and root.exists():
            for old in [path for path in root.rglob("*") if path.is_file()]:
                old.unlink()
        for name, text in {"database.yml": DATABASE_YML, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def start(self) -> KustoLanguage:
        self.starts += 1
        return Lent(self.parser)  # pyright: ignore[reportReturnType]

    def project(self) -> KustoProject:
        production = self.kind is Environment.PRODUCTION
        stages = (Stage.PRODUCTION,) if production else tuple(Stage)
        project, problems = load_kusto(
            self.project_dir, self.folder / "parsed.json", self.feeds, stages, start=self.start
        )
        assert problems == [], list(map(str, problems))
        assert project is not None
        return project

    @property
    def place(self) -> Place:
        return Place(self.url, self.kind, str(self.kind), "adx://there/db")

    @contextmanager
    def words(self) -> Generator[Callable[[str], Sequence[str]]]:
        with Parses(self.folder / "compared.json", self.start) as parses:
            yield parses.words

    def plan(self) -> Plan:
        with cluster_of(self.place) as cluster, self.words() as words:
            return planned(cluster, self.store, self.place, self.project(), words)

    def states(self) -> dict[str, State]:
        """{what it is called: what becomes of it} of all that is not unchanged."""
        return {one.called: one.state for one in self.plan().items if one.state is not State.UNCHANGED}

    def deploy(self, *, prune: bool = False, commit: str = "abc") -> int:
        project, place = self.project(), self.place
        with (
            cluster_of(place) as cluster,
            self.words() as words,
            alone(self.store, place, lambda: None, self.said.append),
        ):
            plan = planned(cluster, self.store, place, project, words)
            return deploy(
                cluster,
                self.store,
                place,
                plan,
                commit=commit,
                prune=prune,
                say=self.said.append,
                words=words,
            )

    def deliver(self) -> None:
        """Let the export's first delivery have made its table."""
        self.command(MAKE_ITEMS)

    def command(self, text: str) -> Any:
        """Somebody types a command."""
        return self.kusto.engine.command(text)

    def sent(self) -> list[str]:
        """The commands that changed something, as they were sent."""
        return [one for one in self.kusto.engine.commands if not one.startswith(".show")]


@contextmanager
def kusto_bench(folder: Path, parser: Parser) -> Generator[KustoBench]:
    """Open one in a folder."""
    with ExitStack() as stack:
        kusto = Kusto(None, "db", parser=parser)
        url = stack.enter_context(kusto.running())
        store = StateStore(f"sqlite:///{folder / 'state.db'}")
        stack.callback(store.close)
        yield KustoBench(folder, parser, kusto, url, store)


def function(name: str, body: str, parameters: str = "()", properties: str = "") -> str:
    """The text of a function's file."""
    stated = f"with ({properties}) " if properties else ""
    return f".create-or-alter function {stated}{name}{parameters} {{ {body}\n}}\n"


__all__ = ["KustoBench", "function", "kusto_bench"]
