"""Each part of the rule by hand: sequences of steps in which that part alone decides.

Belongs here: sequences, by the part. Does not: running them (`interpreter.run`, on a copy of
`conftest.Kiosks`). All begin with two delivered days, and a Wednesday that is built, judged and not sent.
`May` says where a sequence has come to, by the oracle; whether the platform holds and sends accordingly is
what `Press` finds out.
"""

from tests.gate.model.facts import DBT_TEST, FRI, LOOSE, MON, THU, TUE, WED, ExportFile
from tests.gate.model.steps import (
    Approve,
    Backup,
    Build,
    Judge,
    Land,
    LandBroken,
    LandStalls,
    May,
    Press,
    Rebuild,
    Release,
    Restore,
    Run,
    SetBound,
    SetExport,
    SetFactor,
    Step,
)

SALES, TAKINGS = "exp_sales", "exp_takings"
# Wednesday's amounts are 2 and 2; of three days 6 and 10, as Monday had 1 and 2, Tuesday 3 and 1.
BAD = 50  # no amount is as large, where a bound is 9


def may(*exports: str, day: str = WED) -> list[Step]:
    """These may be sent, and are."""
    return [*(May(export, (day,)) for export in exports), Press(day)]


def must_not(*exports: str, day: str = WED) -> list[Step]:
    """These must not be sent, whoever asks."""
    return [*(May(export, (day,), sent=False) for export in exports), Press(day)]


def build(day: str, *tables: str) -> list[Step]:
    return [Build(table, day) for table in tables]


RULES: dict[str, list[Step]] = {
    "a tightened rule has not judged yet": [
        SetBound(SALES, 9), *must_not(SALES), Judge(SALES, WED, WED), *may(SALES),
    ],
    "a tightened rule refuses what the old one let pass": [
        SetBound(SALES, 1), Judge(SALES, WED, WED), *must_not(SALES),
        # The old one has judged this very version.
        SetBound(SALES, LOOSE), *may(SALES),
    ],
    "a loosened rule has not judged yet": [
        SetBound("stg_sales", 9), Judge("stg_sales", MON, TUE), Land(WED, (BAD, 2)),
        *build(WED, "sales", "stg_sales", "exp_sales"), *must_not(SALES, TAKINGS),
        SetBound("stg_sales", 99), *build(WED, "takings", "exp_sales"), *must_not(SALES, TAKINGS),
        Judge("stg_sales", MON, WED), *build(WED, "takings", "exp_sales", "exp_takings"),
        *may(SALES, TAKINGS),
    ],
    "a tightened dbt test has not judged yet": [
        SetBound("stg_sales", 9, DBT_TEST), *must_not(SALES, TAKINGS),
        Judge("stg_sales", WED, WED), *may(SALES), *must_not(TAKINGS),
        Judge("stg_sales", MON, TUE), *may(TAKINGS),
    ],
    "a tightened dbt test refuses": [
        SetBound("stg_sales", 1, DBT_TEST), Judge("stg_sales", MON, WED), *must_not(SALES, TAKINGS),
    ],
    "a rule three tables up": [
        SetBound("sales", 9), *must_not(SALES, TAKINGS),
        Judge("sales", WED, WED), *may(SALES), *must_not(TAKINGS),
        Judge("sales", MON, TUE), *may(TAKINGS),
    ],
    "a rule of the snapshot": [
        SetBound("stalls", 9), *must_not(TAKINGS), *may(SALES), Judge("stalls", MON, MON), *may(TAKINGS),
    ],
    "nothing is built on what today's rules have not judged": [
        SetBound("stg_sales", 9), Judge("stg_sales", TUE, WED), *build(WED, "takings"), *must_not(TAKINGS),
        Judge("stg_sales", MON, MON), *build(WED, "takings", "exp_takings"), *may(TAKINGS),
    ],
    "a table that was built without its checks": [
        Build(SALES, WED, checks=False), *must_not(SALES), Judge(SALES, WED, WED), *may(SALES),
    ],
}  # fmt: skip

PARENTS: dict[str, list[Step]] = {
    "a day is corrected, and loaded alone": [
        Land(WED, (3, 3)), *build(WED, "sales"), *must_not(SALES, TAKINGS),
    ],
    "a day is corrected, and the exports' models are still the old": [
        Land(WED, (3, 3)), *build(WED, "sales", "stg_sales", "takings"), *must_not(SALES, TAKINGS),
        *build(WED, "exp_sales"), *may(SALES), *must_not(TAKINGS), *build(WED, "exp_takings"), *may(TAKINGS),
    ],
    "an export's model is built on a table that is not of its parents": [
        Land(WED, (3, 3)), *build(WED, "sales", "exp_sales", "takings", "exp_takings"),
        *must_not(SALES, TAKINGS),
        *build(WED, "stg_sales", "exp_takings"), *must_not(SALES, TAKINGS),
    ],
    "a table is built anew of the same": [
        *build(WED, "stg_sales"), *must_not(SALES, TAKINGS),
        *build(WED, "takings", "exp_takings", "exp_sales"), *may(SALES, TAKINGS),
    ],
    "a drop is loaded again, and is the same": [*build(WED, "sales"), *may(SALES, TAKINGS)],
    "a correction that its contract refuses": [LandBroken(WED), Run(), *may(SALES, TAKINGS)],
    "a correction that its rules refuse": [
        SetBound("sales", 9), Judge("sales", MON, WED), Land(WED, (BAD, 2)), Run(), *must_not(SALES, TAKINGS),
        Land(WED, (4, 4)), Run(), *may(SALES, TAKINGS),
    ],
}  # fmt: skip

WINDOWS: dict[str, list[Step]] = {
    "an earlier day is corrected": [Land(TUE, (4, 4)), Run(), *may(SALES, TAKINGS)],
    "an earlier day is corrected, and its rules refuse it": [
        SetBound("stg_sales", 9), Judge("stg_sales", MON, WED),
        Land(TUE, (BAD, 4)), Run(), *may(SALES, TAKINGS), *must_not(SALES, TAKINGS, day=TUE),
        # Nothing is built on what that day is now.
        *build(WED, "takings"), Land(TUE, (4, 4)), Run(), *build(WED, "takings", "exp_takings"),
        *may(TAKINGS),
    ],
    "an earlier day is corrected, and its rules refuse it where it is loaded": [
        SetBound("sales", 9), Judge("sales", MON, WED), Land(TUE, (BAD, 4)), Run(), *may(SALES, TAKINGS),
    ],
    "an earlier day's correction is refused by its contract": [LandBroken(TUE), Run(), *may(SALES, TAKINGS)],
    "an earlier day was judged bad since": [
        SetBound("stg_sales", 2), Judge("stg_sales", MON, WED), *may(SALES), *must_not(TAKINGS),
        # What was read stays bad, whatever stands in its place.
        Land(TUE, (2, 2)), *build(TUE, "sales", "stg_sales"), *must_not(TAKINGS),
        SetBound("stg_sales", LOOSE), *must_not(TAKINGS),
        Judge("stg_sales", MON, WED), *must_not(TAKINGS),
        *build(WED, "takings", "exp_takings"), *may(TAKINGS),
    ],
    "what an earlier day was made of was judged bad since": [
        SetBound("sales", 2), Judge("sales", MON, WED), *may(SALES), *must_not(TAKINGS),
        Land(TUE, (2, 2)), *build(TUE, "sales", "stg_sales"), *must_not(TAKINGS),
        *build(WED, "takings", "exp_takings"), *may(TAKINGS),
    ],
    "an earlier day is judged bad and good again": [
        SetBound("stg_sales", 2), Judge("stg_sales", MON, WED), SetBound("stg_sales", 9), *must_not(TAKINGS),
        Judge("stg_sales", TUE, WED), *must_not(TAKINGS), Judge("stg_sales", MON, MON), *may(TAKINGS),
    ],
    "a rule that judges what is there, and not what was read": [
        Land(TUE, (4, 4)), Run(), SetBound("stg_sales", 9), *must_not(TAKINGS),
        Judge("stg_sales", WED, WED), Judge("stg_sales", MON, MON), *may(TAKINGS),
    ],
    "an earlier day comes later": [
        Land(FRI, (1, 1)), Run(connected=False), Land(THU, (2, 2)), Run(), *may(SALES, TAKINGS, day=FRI),
        *build(FRI, "takings", "exp_takings"), *may(TAKINGS, day=FRI),
    ],
    "an earlier day comes later, and its rules refuse it": [
        SetBound("stg_sales", 9), Judge("stg_sales", MON, WED), Land(FRI, (1, 1)), Run(connected=False),
        Land(THU, (BAD, 1)), Run(), *may(SALES, TAKINGS, day=FRI), *build(FRI, "takings"),
        *may(TAKINGS, day=FRI), *must_not(SALES, TAKINGS, day=THU),
    ],
    "a new snapshot": [LandStalls((2, 2, 2)), Run(), *may(SALES, TAKINGS)],
    "a new snapshot that its rules refuse": [
        SetBound("stg_stalls", 9), Judge("stg_stalls", MON, MON), LandStalls((BAD, 2, 3)), Run(),
        *may(SALES, TAKINGS), *build(WED, "takings"), *may(TAKINGS),
    ],
    "a snapshot that was judged bad since": [
        SetBound("stalls", 2), Judge("stalls", MON, MON), *must_not(TAKINGS), *may(SALES),
        LandStalls((2, 2, 2)), Run(), *must_not(TAKINGS),
        *build(WED, "takings", "exp_takings"), *may(TAKINGS),
    ],
}  # fmt: skip

SQL: dict[str, list[Step]] = {
    "an export's model has other SQL": [
        SetFactor(SALES, 2), *must_not(SALES), *may(TAKINGS), *build(WED, SALES), *may(SALES),
    ],
    "a table above has other SQL": [
        SetFactor("stg_sales", 2), *must_not(SALES, TAKINGS),
        *build(WED, SALES, "takings"), *must_not(SALES, TAKINGS),
        # The window's other days are what they were.
        *build(WED, "stg_sales", "takings", "exp_sales", "exp_takings"), *may(SALES, TAKINGS),
    ],
    "other SQL, and the old again": [
        SetFactor("stg_sales", 2), *must_not(SALES, TAKINGS), SetFactor("stg_sales", 1), *may(SALES, TAKINGS),
    ],
    "the snapshot's table has other SQL": [
        SetFactor("stg_stalls", 2), *may(SALES, TAKINGS),
        *build(WED, "takings", "exp_takings"), *may(TAKINGS),
        *build(WED, "stg_stalls", "takings", "exp_takings"), *may(TAKINGS),
    ],
    "a delivered day is rebuilt by other SQL": [
        SetFactor("takings", 2), *must_not(TAKINGS, day=TUE), Rebuild("takings", TUE, WED),
        May(TAKINGS, (TUE, WED)), May(TAKINGS, (MON,), sent=False), Press(MON),
    ],
}  # fmt: skip

NEWEST: dict[str, list[Step]] = {
    "an older copy of the warehouse": [
        Backup(), Land(WED, (3, 3)), *build(WED, "sales", "stg_sales", "takings", "exp_sales", "exp_takings"),
        Restore(), *must_not(SALES, TAKINGS), *build(WED, "exp_sales"), *must_not(SALES, TAKINGS),
        Rebuild("sales", WED, WED), May(SALES, (WED,)), May(TAKINGS, (WED,)),
    ],
    "an older copy in which an earlier day is another": [
        Land(TUE, (4, 4)), Run(), Restore(), *must_not(SALES, TAKINGS, day=TUE), *may(SALES, TAKINGS),
        # What is not the newest is not built on.
        *build(WED, "takings"), *may(TAKINGS),
    ],
    "an older copy without a day": [
        Land(THU, (1, 1)), *build(THU, "sales", "stg_sales", "exp_sales"), Restore(),
        *must_not(SALES, day=THU), *may(SALES, TAKINGS),
        Rebuild("sales", THU, THU), May(SALES, (THU,)), May(TAKINGS, (THU,)),
    ],
    "an older copy that lacks a day of a window": [
        Land(THU, (2, 2)), Run(), Restore(), Land(FRI, (1, 1)),
        *build(FRI, "sales", "stg_sales", "takings", "exp_sales", "exp_takings"), *may(SALES, day=FRI),
        *must_not(SALES, TAKINGS, day=THU),
    ],
}  # fmt: skip

_REFUSED: list[Step] = [
    SetBound("stg_sales", 9), Judge("stg_sales", MON, WED), Land(WED, (BAD, 2)), Run(),
]  # fmt: skip
RELEASES: dict[str, list[Step]] = {
    "a released day goes out, and is no other's": [
        *_REFUSED, *must_not(SALES, TAKINGS), Release(TAKINGS, WED), Run(), May(TAKINGS, (WED,)),
        *build(WED, "exp_sales"), *must_not(SALES),
        # In the window of the next day it is bad, as it was.
        Land(THU, (1, 1)), Run(), *must_not(TAKINGS, day=THU), *may(SALES, day=THU),
    ],
    "a release is of one version": [
        *_REFUSED, Release(SALES, WED), Build("stg_sales", WED), *build(WED, "exp_sales"), *must_not(SALES),
    ],
    "a release is used once": [
        # Whether the model may be built anew is another question; if it is, nobody has released that.
        *_REFUSED, Release(SALES, WED), Run(), May(SALES, (WED,)), *build(WED, "exp_sales"),
        SetExport(SALES, ExportFile("b")), Press(WED),
    ],
    "a release is by the rules that said no": [
        *_REFUSED, Release(SALES, WED), Build("exp_sales", WED), May(SALES, (WED,)),
        SetBound("stg_sales", 8), *must_not(SALES), Judge("stg_sales", WED, WED), *must_not(SALES),
        SetBound("stg_sales", 9), *may(SALES),
    ],
    "a release of a window's day": [
        SetBound("stg_sales", 2), Judge("stg_sales", MON, WED), *must_not(TAKINGS), Release(TAKINGS, WED),
        *may(TAKINGS),
    ],
}  # fmt: skip

_ONE_ROW = ExportFile(most_rows=1)
FILES: dict[str, list[Step]] = {
    "past a limit until it is approved": [
        SetExport(SALES, _ONE_ROW), *may(SALES), Press(WED), Approve(SALES, WED), Press(WED),
    ],
    "a plan that was held, and a limit that is gone": [
        SetExport(SALES, _ONE_ROW), Press(WED), SetExport(SALES, ExportFile()), Press(WED),
    ],
    "an approved plan, and another filter": [
        SetExport(SALES, _ONE_ROW), Press(WED), Approve(SALES, WED),
        SetExport(SALES, ExportFile("b", most_rows=1)), Press(WED),
    ],
    "an approved plan, and another limit": [
        SetExport(SALES, _ONE_ROW), Press(WED), Approve(SALES, WED),
        SetExport(SALES, ExportFile(most_rows=0)), Press(WED), Approve(SALES, WED), Press(WED),
    ],
    "an approved plan, and another version": [
        SetExport(SALES, _ONE_ROW), Press(WED), Approve(SALES, WED), Land(WED, (3, 3)),
        *build(WED, "sales", "stg_sales", "exp_sales"), Press(WED), Approve(SALES, WED), Run(),
    ],
    "a filter after the delivery": [Press(WED), SetExport(SALES, ExportFile("b")), Press(WED), Press(MON)],
}  # fmt: skip

SEQUENCES = {
    "rules": RULES, "parents": PARENTS, "windows": WINDOWS, "SQL": SQL, "newest build": NEWEST,
    "releases": RELEASES, "export files": FILES,
}  # fmt: skip
