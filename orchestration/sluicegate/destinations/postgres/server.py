"""One transaction at a Postgres, ended in time.

Belongs here: connecting, limits of time, who held what was waited for. Does not: statements of a delivery
(`destination`, `apply`), wording of other errors (`errors`).
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

from ..bounded import GoOn, bounded
from ..errors import DeliveryError
from ..permission import may_send
from .errors import explain, rolled_back

Result = TypeVar("Result")
_CONNECT_SECONDS = 15
_GONE_MILLISECONDS = 60_000
# After the budget: so long a server has to say that it ends a wait, and so long a look for the reason takes.
_SAYS_SECONDS = 2.0
_SERVERS = 16
_REST_SECONDS = 2.0
# A lock, a statement, an idle and a whole transaction, each longer than its limit.
_ENDED_IN_TIME = frozenset({"55P03", "57014", "25P03", "25P04"})
# From Postgres 17 on there is the last of them.
_LIMITS = (
    "('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
)


class Server:
    """Where a delivery's transactions happen.

    Args:
        url: the connection's, secrets and all.
        place: the same, to be shown.
        left: how many seconds a transaction may take now.
        late: the error that says that they are spent, by what was done and what it waited for.
        holders: asks who holds the locks that a delivery needs.
    """

    def __init__(
        self,
        url: str,
        place: str,
        left: Callable[[], float],
        late: Callable[[str, str], DeliveryError],
        holders: Callable[[Any], list[str]],
    ) -> None:
        self._url = url
        self._place = place
        self._left = left
        self._late = late
        self._holders = holders

    def transact(
        self,
        doing: str,
        work: Callable[[Any], Result],
        look_closer: Callable[[Any, Any], DeliveryError | None] | None = None,
        again: Callable[[], bool] | None = None,
        before_commit: Callable[[], object] = lambda: None,
    ) -> Result:
        """Do something with a cursor and commit it; any error leaves everything as it was.

        Right before the commit, after `before_commit`, it is asked whether this process may still send:
        whoever may not, rolls back.
        What the server says of rows is looked into by `look_closer`, in a transaction that is rolled back.
        After a key that was there the work is done once more, if `again` says so. A server that is silent, or
        a lock that is not given, ends it when no time is left; then nothing is committed any more.
        """
        dbapi = import_module("adbc_driver_postgresql.dbapi")
        failure: DeliveryError
        committing: list[bool] = []

        def last(go_on: GoOn) -> None:
            before_commit()
            may_send()
            # Whoever is not waited for any more would come over what others have done since.
            go_on()
            committing.append(True)

        try:
            return self._bounded(doing, work, last)
        except dbapi.Error as error:
            failure = explain(error, doing, self._url)
            failure.nothing_done = not committing or rolled_back(error)
            state = str(error.sqlstate or "")
            retried = state == "23505" and again is not None and again()
            if not retried and look_closer is not None and state[:2] in ("22", "23"):
                failure = self._closer(look_closer, error) or failure
            if state in _ENDED_IN_TIME or "transaction timeout" in str(error):
                failure = self._waited_for(doing, failure)
        # Outside the handler: inside, the driver's error would be this one's context, shown with
        # it, and might hold the URL.
        if retried:
            return self.transact(doing, work, look_closer, before_commit=before_commit)
        raise failure

    def _bounded(
        self,
        doing: str,
        work: Callable[[Any], Result],
        last: Callable[[GoOn], None] | None = None,
        *,
        rest: float = 0.0,
    ) -> Result:
        """Do something in a transaction within the time that is left, or `rest` seconds if that is more.

        It is committed after `last`, if there is that, and rolled back otherwise.
        """
        seconds = max(self._left(), rest)

        def run(go_on: GoOn) -> Result:
            with connect(self.address(seconds)) as connection, connection.cursor() as cursor:
                # Leaving the block without a commit closes the connection: all is rolled back.
                begin(cursor, seconds)
                result = work(cursor)
                if last is not None:
                    last(go_on)
                    connection.commit()
                return result

        # The server ends what waits for a lock, and says so; who is past that is silent.
        return bounded(seconds + _SAYS_SECONDS, run, lambda: self._late(doing, f"an answer of {self._place}"))

    def _closer(
        self, look_closer: Callable[[Any, Any], DeliveryError | None], error: Any
    ) -> DeliveryError | None:
        dbapi = import_module("adbc_driver_postgresql.dbapi")
        try:
            return self._bounded(
                "a closer look", lambda cursor: look_closer(cursor, error), rest=_REST_SECONDS
            )
        except dbapi.Error:
            return None  # what the server said first is what there is to say
        except DeliveryError as found:
            found.__cause__ = found.__context__ = None
            return found

    def _waited_for(self, doing: str, failure: DeliveryError) -> DeliveryError:
        """The error that says who held what was waited for, as far as the server still knows."""
        dbapi = import_module("adbc_driver_postgresql.dbapi")
        try:
            holders = self._bounded(
                "a look for who holds the lock",
                self._holders,
                rest=_REST_SECONDS,
            )
        except (dbapi.Error, DeliveryError):
            holders = []
        held = f"a lock that is held by {'; '.join(holders)}" if holders else "a lock, or a long statement"
        said = failure.what.rpartition(": ")[2]
        late = self._late(doing, f"{held} at {self._place} ({said})")
        late.nothing_done = True
        late.__context__ = None
        return late

    def address(self, seconds: float) -> str:
        """The URL for the driver; a connection that is not made within these seconds is given up."""
        # The driver speaks UTF-8, whatever the database, the role, the environment or the URL say. Of a name
        # that stands twice in a URL the last one holds.
        ours = "fallback_application_name=sluice&client_encoding=UTF8"
        if "connect_timeout=" not in self._url:
            # libpq takes whole seconds, of which it makes two of one.
            ours += f"&connect_timeout={min(_CONNECT_SECONDS, max(2, int(seconds)))}"
        if "tcp_user_timeout=" not in self._url:
            # A machine that is gone says nothing; TCP itself would wait for a quarter of an hour.
            ours += f"&tcp_user_timeout={_GONE_MILLISECONDS}"
        return f"{self._url}{'&' if '?' in self._url else '?'}{ours}"


def connect(address: str) -> Any:
    """Connect to a server, whose types are known from the last time."""
    manager = import_module("adbc_driver_manager")
    database = _described(address)
    try:
        connection = manager.AdbcConnection(vars(database)["_db"])
    except manager.Error:
        _described.cache_clear()  # who answers there next may be another server
        raise
    return import_module("adbc_driver_manager.dbapi").Connection(database, connection)


@lru_cache(maxsize=_SERVERS)
def _described(address: str) -> Any:
    """Return what the driver knows of a server, its types; it holds no connection.

    To find out, the driver connects once more and reads all types: 30 ms of a processor, where a connection
    takes 0.2. A transaction here reads and fills columns of built-in types alone, so that none is missed that
    is made later.
    """
    # Private to the driver, as is what it holds; a test notices when it changes.
    shared = vars(import_module("adbc_driver_manager.dbapi"))["_SharedDatabase"]
    return shared(import_module("adbc_driver_postgresql").connect(address))


def begin(cursor: Any, seconds: float) -> None:
    """Begin a transaction that the server ends, should it last longer."""
    # Read committed, whatever the role's default: what is read after the lock must be
    # what the delivery before it left, not a picture from before the wait.
    cursor.execute("set transaction isolation level read committed")
    cursor.execute("set local time zone 'UTC'")
    # A row-level policy would hide rows from a delete or a reader in silence; so it fails instead.
    cursor.execute("set local row_security = off")
    # Enough for a million keys: with the usual 4 MB a large delivery's hash join and sort go by disk.
    cursor.execute("set local work_mem = '128MB'")
    # A stricter limit of the role or the database stays. Local to the transaction, as all of them: a pooler's
    # next client has its own.
    most = max(1, int(seconds * 1000))
    # The last resort ends the connection, so it comes after the others.
    ends = f"case name when 'transaction_timeout' then {most + 1000} else {most} end"
    cursor.execute(
        f"select set_config(name, (case when setting::bigint between 1 and {ends} then setting::bigint"
        f" else {ends} end)::text, true) from pg_settings where name in {_LIMITS}"
    )
    cursor.fetchall()
