"""What is asserted of every case of the gate's whole sentence.

Belongs here: the order of a test, from what happens to what arrives. Does not: cases, and deployments.
"""

from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor

from orchestration.operations.rebuilding import outdated
from tests.gate.office import Office, commands, daemons, hands
from tests.gate.sentence import Case


def nobody_sends_it_before_it_is_repaired(
    office: Office, case: Case, evening: AssetDaemonCursor | None = None
) -> None:
    """Let a case happen, have everybody ask for it, repair it, and see it arrive."""
    case.happens(office)
    if not case.by_itself:
        office.retry()  # the first to ask: what may go goes
    for place, rows in case.goes.items():
        assert office.rows(place) == rows, place
    assert_closed(office, case)
    before = office.sent()
    asking = hands(office, case.closed, evening) if case.closed else {}
    if case.by_itself:
        del asking["sensor"]
    if case.daemons and case.closed:
        asking |= daemons(office, case.closed)
    if case.commands:
        asking |= commands(office, case.closed)
    for name, ask in asking.items():
        ask()
        assert office.sent() == before, name
    for repair in case.repair:
        repair(office)
    for place, rows in case.opened.items():
        assert office.rows(place) == rows, place
        assert office.opened(place), place


def assert_closed(office: Office, case: Case) -> None:
    """Nothing was sent; `sluice why` tells the broken link and a command, `sluice table outdated` all."""
    for place in case.closed:
        assert office.rows(place) == case.holds.get(place, []), place
        assert not office.opened(place), place
    if case.closed:
        export, partition = case.closed[0]
        code, said = office.sluice("why", export, "--partition", partition)
        assert code == 1
        assert any(case.link in line and case.said in line for line in said.splitlines()), said
        assert case.advice in said
    if case.outdated:
        _, listed = office.sluice("table", "outdated")
        found = outdated(office.company.site)
        keys = {item.relation: item.partition_keys for item in found}
        for relation, partition in case.outdated:
            assert relation in listed
            assert partition in keys[relation]
