"""The checks of functions and views in a database: is it what git says, does it give what the parser says.

Belongs here: the questions and their words. Does not: Dagster, and what follows: nothing waits for either.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from time import monotonic

from sluicegate.destinations.adx.cluster import Cluster
from sluicegate.destinations.adx.filling import Call
from sluicegate.destinations.base import DeliveryError
from sluicegate.kusto.held import Held
from sluicegate.kusto.objects import Kind, KustoObject
from sluicegate.kusto.parsed import Parses
from sluicegate.operations.kusto_database import database_of, unlike_git
from sluicegate.operations.site import Site
from sluicegate.state.kusto_objects import Deployed

DEPLOYED, ANSWERS = "deployed", "answers"
_BUDGET_SECONDS = 600.0
_AT_ONCE = 1000
Asked = tuple[KustoObject, str]


@dataclass(frozen=True)
class CheckSaid:
    """What a check says; without a `verdict` nobody could tell."""

    passed: bool
    words: str
    verdict: bool = True


def ask(site: Site, asked: Sequence[Asked]) -> Mapping[tuple[tuple[Kind, str], str], CheckSaid]:
    """Return {(object, check): what it says}, over one connection; what cannot be asked has no verdict."""
    database, why = database_of(site)
    if database is None:
        said = CheckSaid(passed=False, words=f"not asked: {why}", verdict=False)
        return {(one.key, name): said for one, name in asked}
    began = monotonic()

    def left() -> float:
        return max(0.0, _BUDGET_SECONDS - (monotonic() - began))

    ledger = site.deployment.store.kusto_objects.of(database.name)
    kept = site.deployment.settings.data_dir / "kusto" / "words_asked.json"
    found: dict[tuple[tuple[Kind, str], str], CheckSaid] = {}
    down: CheckSaid | None = None
    with Cluster(database.url, left, _too_late) as cluster, Parses(kept) as parses:
        held = Held(cluster, parses.words)
        for one, name in asked:
            # Who does not answer once is not waited for with every function.
            said = down or _said(cluster, held, one, name, ledger)
            down = None if said.verdict else said
            found[one.key, name] = said
    return found


def _said(
    cluster: Cluster, held: Held, one: KustoObject, name: str, ledger: Mapping[tuple[str, str], Deployed]
) -> CheckSaid:
    try:
        if name == DEPLOYED:
            unlike = "; ".join(unlike_git(held, [one], ledger))
            return CheckSaid(not unlike, unlike or f"the database holds what {one.file} says")
        return _answers(cluster, one)
    except DeliveryError as error:
        # What the engine refuses to answer says something of the function, and what does not answer nothing.
        refused = name == ANSWERS and error.nothing_done and _is_refused(error)
        return CheckSaid(passed=False, words=f"{'' if refused else 'no verdict: '}{error}", verdict=refused)


def _is_refused(error: DeliveryError) -> bool:
    return " refused to " in error.what


def _answers(cluster: Cluster, one: KustoObject) -> CheckSaid:
    call = _sample(one)
    if call is None or one.columns is None:
        why = "its columns are not known" if call else "a call of it is not known"
        return CheckSaid(
            passed=True,
            words=f"not asked, as {why}: `// sample: {one.name}(…)` above the command in {one.file} names it",
        )
    query = f"{call} | getschema | project ['ColumnName'], ['ColumnType']"
    rows: Iterable[Sequence[str]] = chain.from_iterable(cluster.rows(query, _AT_ONCE, "ask for its columns"))
    found = [(row[0], row[1]) for row in rows]
    wrong = "; ".join(_differences(dict(one.columns), dict(found)))
    if not wrong and found != list(one.columns):
        wrong = "its columns come in another order"
    return CheckSaid(not wrong, wrong or f"{call} gives the {len(found)} columns that {one.file} says")


def _differences(said: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*said, *found]):
        if said.get(name) != found.get(name):
            yield f"column {name} is {found.get(name, 'missing')}, expected {said.get(name, 'none')}"


def _sample(one: KustoObject) -> str | None:
    """Return a call that gives the columns; None where nobody knows one."""
    if one.sample:
        return one.sample
    if one.kind is Kind.VIEW:
        return Call(one.name, None, ()).text.removesuffix("()")
    inside = one.parameters.strip().removeprefix("(").removesuffix(")").strip()
    if not inside or all("=" in part for part in inside.split(",")):
        return Call(one.name, None, ()).text
    return None


def _too_late(doing: str, waited_for: str) -> DeliveryError:
    return DeliveryError("SLU-K004",
        f"{doing}: {_BUDGET_SECONDS:g} s are spent in waiting for {waited_for}",
        "a cluster that answers", "see in the Azure portal whether it is stopped; then click the check again",
    )  # fmt: skip
