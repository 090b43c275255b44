"""Doing what a plan says: command by command, in order, and each object on record once it stands.

A deploy may be killed anywhere, and is run again: it compares anew, sends what is still another, and every
command may be sent twice. Belongs here: the lease, the order, records. Does not belong here: what differs
(`plan`), which database (`places`).

One at a time for a database: two would undo each other's work. First come columns and docstrings of tables,
then functions and views as they read each other, then the policies of tables that hold queries, which name
functions; what is removed goes last, when nothing names it any more.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from sluicegate.core.environments import Environment
from sluicegate.core.progress import each
from sluicegate.destinations.adx.cluster import Cluster
from sluicegate.destinations.errors import DeliveryError
from sluicegate.destinations.permission import asking
from sluicegate.kusto.facts import Words
from sluicegate.kusto.held import Held, shown_facts, who_changed
from sluicegate.kusto.objects import Kind, KustoProject, Statement
from sluicegate.kusto.places import Place
from sluicegate.kusto.plan import OTHERS, held_digest, plan_of
from sluicegate.kusto.planned import Item, Plan, State
from sluicegate.state.held_lease import Lease, LeaseLost
from sluicegate.state.kusto_objects import Deployed
from sluicegate.state.leases import LeaseTimeout
from sluicegate.state.maintenance import under_maintenance, wait_for_its_end
from sluicegate.state.store import StateStore

# All of a deploy; a view over old rows is made in minutes, and the service ends a command after ten.
_BUDGET_SECONDS = 3_600.0
_LEASE_WAIT_SECONDS = 60.0
_SILENT_SECONDS = 5.0
_NO_RIGHT = "does not let the principal"
_RIGHTS = (
    "on the database: Database User to make functions and tables; to change what others made, Function Admin,"
    " Table Admin and Materialized View Admin of it; to make a view Database Admin"
)
Say = Callable[[str], None]


class DeployStopped(DeliveryError):
    """A deploy did not come to its end: what was done stands and is on record."""


@contextmanager
def cluster_of(place: Place) -> Generator[Cluster]:
    """Open the way to a database, for as long as a deploy may take."""
    ends = monotonic() + _BUDGET_SECONDS

    def late(doing: str, waited_for: str) -> DeliveryError:
        return DeliveryError("SLU-K006",
            f"the hour that a deploy may take is over: {doing}", waited_for,
            "look at the cluster in the Azure portal, then deploy again: it goes on where it ended",
        )  # fmt: skip

    try:
        with Cluster(place.url, lambda: ends - monotonic(), late) as cluster:
            yield cluster
    except DeliveryError as error:
        if _NO_RIGHT not in error.what or isinstance(error, DeployStopped):
            raise
        # What the cluster said of rights is about deliveries.
        fix = "have an administrator grant it, then type the same again"
        raise DeliveryError("SLU-V002", error.what, _RIGHTS, fix, nothing_done=error.nothing_done) from None


def planned(cluster: Cluster, store: StateStore, place: Place, project: KustoProject, words: Words) -> Plan:
    """Return what a deploy would do; only `.show` commands are sent.

    Raises:
        DeliveryError: the database does not answer.
        ValueError: a command says what nobody can compare.
    """
    held, ours = Held(cluster, words), store.kusto_objects.of(place.name)
    return plan_of(project, place.kind, place.environment, held, ours, words, place.name)


@contextmanager
def alone(
    store: StateStore, place: Place, kept_back: Callable[[], object | None], say: Say
) -> Generator[None]:
    """Hold the lease of a database, and let nothing leave once it is lost.

    Raises:
        DeployStopped: another deploy is at work, or nothing may leave this deployment.
    """
    name = f"kusto {place.name}"
    try:
        while True:
            with store.leases.hold(name, wait_seconds=_LEASE_WAIT_SECONDS, waiting=say) as lease:
                if not under_maintenance(store.leases):
                    if (why := kept_back()) is not None:
                        raise DeployStopped(
                            "SLU-N006",
                            f"nothing was deployed: {why}",
                            "a deployment that may send",
                            "do what it says",
                        )
                    with asking(lambda: _may_send(lease)):
                        yield
                    return
            wait_for_its_end(store.leases, say)
    except LeaseTimeout as error:
        raise DeployStopped("SLU-K007",
            f"another deploy to this database is at work: {error.words}; nothing was deployed",
            f"its end within {_LEASE_WAIT_SECONDS:g} s", "wait for it, then deploy again",
        ) from None  # fmt: skip


def deploy(
    cluster: Cluster,
    store: StateStore,
    place: Place,
    plan: Plan,
    *,
    commit: str,
    prune: bool,
    say: Say,
    words: Words,
) -> int:
    """Do what a plan says; call it under `alone`, with a plan that was made there.

    Args:
        cluster: the database.
        store: the records.
        place: which database.
        plan: what to do.
        commit: of git, for the records.
        prune: whether what git has no more is removed.
        say: told each command, one line, once it is done.
        words: the parser, for what the database answers.

    Returns:
        How many commands were sent.

    Raises:
        DeployStopped: something is in the way, and nothing was sent; or a command failed.
    """
    if blocked := plan.of(State.BLOCKED):
        told = "; ".join(f"{item.file}: {item.called}: {' '.join(item.notes)}" for item in blocked)
        raise DeployStopped("SLU-K001",
            f"nothing was deployed, as this is in the way: {told}", "changes that Kusto makes and keeps data",
            "do what each says, then deploy again",
        )  # fmt: skip
    done: list[str] = []
    records = store.kusto_objects

    def record(item: Item, held: str, environment: str) -> None:
        now = datetime.now(UTC)
        records.record(
            Deployed(place.name, item.kind.value, item.name, environment, item.digest, held, commit, now)
        )

    known = records.of(place.name)
    # A scratch database is many people's: what stands there already may be another's, and is never removed.
    shared = place.kind in (Environment.SCRATCH, Environment.LOCAL)
    for item in plan.of(State.UNCHANGED):
        before = known.get((item.kind.value, item.name))
        if before is None or before.digest != item.digest:
            mine = not shared if before is None else before.environment
            record(item, item.held, place.environment if mine else "")
    _tell_notes(cluster, plan, say)
    for item, statements, last in each("deploying", [*_steps(plan)], "objects", lambda one: one[0].called):
        answer: Sequence[Mapping[str, Any]] = ()
        for statement in statements:
            answer = _sent(cluster, item, statement, done, say)
            done.append(item.called)
        if last:
            record(item, _held_of(cluster, item, answer, words), place.environment)
    for one in plan.forgotten:
        records.forget(one)
    for item in plan.of(State.REMOVE) if prune else ():
        _sent(cluster, item, item.commands[0], done, say)
        done.append(item.called)
        records.forget(known[item.kind.value, item.name])
    return len(done)


def _steps(plan: Plan) -> Iterator[tuple[Item, list[Statement], bool]]:
    """Yield what is sent in order; the last of an object's with True."""
    items = plan.of(State.CREATE, State.CHANGE)
    tables = [item for item in items if item.kind is Kind.TABLE]
    late = {item.name: [one for one in item.commands if _is_late(one)] for item in tables}
    for item in tables:
        early = [one for one in item.commands if not _is_late(one)]
        if early:
            yield item, early, not late[item.name]
    for item in items:
        if item.kind is not Kind.TABLE:
            yield item, list(item.commands), True
    for item in tables:
        if late[item.name]:
            yield item, late[item.name], True


def _is_late(statement: Statement) -> bool:
    """Whether a command of a table comes after functions: its query may name them."""
    return statement.kind.endswith(("RowLevelSecurity", "Update"))


def _tell_notes(cluster: Cluster, plan: Plan, say: Say) -> None:
    """Tell what somebody has to know of what is overwritten, and whose it is as far as the journal tells."""
    changed = plan.of(State.CHANGE)
    others = [item.name for item in changed if any(note.startswith(OTHERS) for note in item.notes)]
    who = who_changed(cluster, others) if others else {}
    for item in changed:
        for note in item.notes:
            by = f" ({who[item.name]})" if note.startswith(OTHERS) and item.name in who else ""
            say(f"{item.called}: {note}{by}")


def _held_of(cluster: Cluster, item: Item, answer: Sequence[Mapping[str, Any]], words: Words) -> str:
    """Return a digest of how the database shows what was sent: functions and views in their answer."""
    if item.kind is Kind.TABLE:
        return held_digest(Held(cluster, words).policies(item.name, item.said), item.kind)
    facts = shown_facts(item.kind, item.name, answer, words)
    return held_digest(item.said if facts is None else facts, item.kind)


def _sent(
    cluster: Cluster, item: Item, statement: Statement, done: list[str], say: Say
) -> Sequence[Mapping[str, Any]]:
    verb = {State.CREATE: "creates", State.CHANGE: "changes"}.get(item.state, "removes")
    where = f"{item.file}:{statement.line}" if item.file else "git has it no more"
    doing = f"{verb.removesuffix('s')} the {item.called} ({where})"
    started = monotonic()
    slow = threading.Timer(_SILENT_SECONDS, say, [f"still at it: to {doing}"])
    slow.daemon = True
    slow.start()
    try:
        answer = cluster.command(statement.text, doing)
    except DeliveryError as error:
        rights = _NO_RIGHT in error.what
        before = (
            f"deployed before: {', '.join(dict.fromkeys(done))}" if done else "nothing was deployed before"
        )
        raise DeployStopped(
            "SLU-K008",
            f"{where}: {error.what}; {before}; what comes after it was not sent",
            _RIGHTS if rights else error.expected,
            f"{'have an administrator grant it' if rights else 'fix what it says'}, then type"
            " `sluice kusto deploy` again: it goes on where it ended",
        ) from None
    finally:
        slow.cancel()
    took = monotonic() - started
    say(f"{verb} {item.called}  {where}{f'  {took:.0f} s' if took >= 1 else ''}")
    return answer


def _may_send(lease: Lease) -> None:
    try:
        lease.still_held()
    except LeaseLost as error:
        raise DeployStopped(
            "SLU-K007", error.words, "one deploy at a time", "look at who deploys, then deploy again"
        ) from None


__all__ = ["DeployStopped", "alone", "cluster_of", "deploy", "planned"]
