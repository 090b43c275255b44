"""Random sequences: what people do in a row, and in any order.

Belongs here: how steps are drawn. Does not: what they do. A step alone seldom leads anywhere: a corrected
day counts for something once it is run. So steps are drawn in small groups that belong together, and the
groups in any order; each step must make sense, or do nothing, wherever it comes.
"""

from collections.abc import Collection, Sequence

from hypothesis import strategies as st

from tests.gate.model.facts import (
    DAYS,
    DBT_TEST,
    EXPORTS,
    LOOSE,
    MODELS,
    SUITE,
    TABLES,
    TUE,
    WED,
    ExportFile,
)
from tests.gate.model.steps import (
    Approve,
    Backup,
    Build,
    Judge,
    Land,
    LandBroken,
    LandStalls,
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

Group = tuple[Step, ...]
Days = tuple[str, str]

# Most happens where windows meet what is not sent yet.
_days = st.sampled_from([WED, TUE, *DAYS])
_ranges: st.SearchStrategy[Days] = st.tuples(_days, _days).map(lambda ends: (min(ends), max(ends)))
_all_days: Days = (DAYS[0], DAYS[-1])
_daily = [name for name, table in TABLES.items() if table.daily]
_models = [name for name in _daily if not TABLES[name].raw]
_exports = st.sampled_from(EXPORTS)
_amounts = st.sampled_from([1, 2, 3, 7, 12])
_landings = st.builds(Land, _days, st.lists(_amounts, min_size=2, max_size=3).map(tuple))
_snapshots = st.builds(LandStalls, st.tuples(_amounts, _amounts, _amounts))
_bounds = st.sampled_from([LOOSE, 20, 9, 5])
_checks = st.sampled_from([*((name, SUITE) for name in TABLES), ("stg_sales", DBT_TEST)])
_files = st.builds(ExportFile, st.sampled_from(["", "b"]), st.sampled_from([None, 2, 1]))
_runs = st.builds(
    Run, retry=st.sampled_from([False, False, True]), connected=st.sampled_from([True, True, False])
)
# Of the tables of a day those that a person thinks of; none of the rest is built anew.
_some = st.sets(st.sampled_from(_models), max_size=4)


def _by_hand(day: str, tables: Collection[str], checks: bool = True) -> Group:
    """Buttons, in the order in which a person goes down."""
    return tuple(Build(table, day, checks) for table in TABLES if table in tables)


def _corrected(landing: Land, tables: Collection[str]) -> Group:
    return (landing, *_by_hand(landing.day, {"sales", *tables}), Press(landing.day))


def _other_rule(check: tuple[str, str], bound: int, judged: Days | None, day: str) -> Group:
    table, name = check
    return (SetBound(table, bound, name), *([Judge(table, *judged)] if judged else []), Press(day))


def _refused(check: tuple[str, str], landing: Land, run: Run) -> Group:
    """What lands is mostly too much for the rule."""
    table, name = check
    return (SetBound(table, 5, name), Judge(table, *_all_days), landing, run)


def _judged_bad(check: tuple[str, str]) -> Group:
    """Much of what is there is too much for the rule."""
    table, name = check
    return (SetBound(table, 2, name), Judge(table, *_all_days))


def _released(check: tuple[str, str], export: str, day: str, after: Step) -> Group:
    return (*_judged_bad(check), Release(export, day), after, Press(day))


def _bad_for_a_time(check: tuple[str, str], landing: Step, run: Run, day: str) -> Group:
    table, name = check
    return (*_judged_bad(check), landing, run, SetBound(table, LOOSE, name), Press(day))


def _other_sql(model: str, factor: int, rebuilt: Days | None, day: str) -> Group:
    return (SetFactor(model, factor), *([Rebuild(model, *rebuilt)] if rebuilt else []), Press(day))


def _other_file(day: str, export: str, files: Sequence[ExportFile], approved: bool) -> Group:
    """A plan under each of the files, the first of them approved."""
    asked = Press(day, (export,))
    first, *others = ([SetExport(export, file), asked] for file in files)
    decided: list[Step] = [Approve(export, day)] if approved else []
    return (*first, *decided, *(step for other in others for step in other), asked)


def _from_backup(landing: Step, after: Run, day: str) -> Group:
    return (Backup(), landing, after, Restore(), Press(day))


_groups: st.SearchStrategy[Group] = st.one_of(
    st.tuples(_landings, _runs),
    st.builds(_corrected, _landings, _some),
    st.builds(_corrected, _landings, _some),
    st.tuples(_snapshots, _runs),
    st.tuples(st.builds(LandBroken, st.sampled_from(["", *DAYS])), _runs),
    st.builds(_other_rule, _checks, _bounds, st.none() | _ranges | st.just(_all_days), _days),
    st.builds(_refused, _checks, _landings, _runs),
    st.builds(_released, _checks, _exports, _days, _runs | st.builds(Build, st.sampled_from(_models), _days)),
    st.builds(_bad_for_a_time, _checks, _landings | _snapshots, _runs, _days),
    st.builds(_other_sql, st.sampled_from(MODELS), st.sampled_from([2, 1]), st.none() | _ranges, _days),
    st.builds(_by_hand, _days, _some, st.sampled_from([True, False])),
    st.builds(lambda table, days: (Rebuild(table, *days),), st.sampled_from(_daily), _ranges),
    st.builds(lambda table, days: (Judge(table, *days),), st.sampled_from([*TABLES]), _ranges),
    st.builds(_from_backup, _landings | _snapshots, _runs, _days),
    st.builds(_other_file, _days, _exports, st.lists(_files, min_size=1, max_size=2), st.booleans()),
    st.builds(lambda export, day: (Approve(export, day), Release(export, day), Press(day)), _exports, _days),
)

# At the end every day of every export is asked for once: what may go out must, and nothing else.
sequences: st.SearchStrategy[tuple[Step, ...]] = st.lists(_groups, min_size=3, max_size=6).map(
    lambda groups: (*(step for group in groups for step in group), *(Press(day) for day in DAYS))
)
