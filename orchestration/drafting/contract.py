"""`sluice contract new`: sample files -> the draft of a contract that loads them.

Belongs here: putting what the samples show together, and proving it. Does not belong here: names (`paths`),
dialects (`files`), rows (`samples`), values (`values`), the words of the file (`text`), loading (`proof`).
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from orchestration.compute.engine import open_engine
from orchestration.compute.sql import literal
from orchestration.contracts.columns import Column
from orchestration.contracts.reading import Format, ReadOptions
from orchestration.contracts.types import Kind, base_of, partition_kinds
from orchestration.core.problems import did_you_mean
from orchestration.drafting.files import all_alike
from orchestration.drafting.paths import Placed, placed, portable
from orchestration.drafting.samples import TABLE, Samples, read_samples
from orchestration.drafting.values import Guess, guess, told_format

if TYPE_CHECKING:
    import duckdb

_KEY_NAME = re.compile(r"(^|_)(id|key|no|nr|number|code|nummer|uuid)($|_)")
_FEWEST_FOR_KEY = 2
_MOST_TOGETHER = 4
_NO_KEYS = ("DOUBLE", "FLOAT", "REAL", "DECIMAL", "BOOLEAN")
PERSONAL = "personal?"


@dataclass(frozen=True)
class Question:
    """Dates that can be read in more than one way: {format: the day that `value` then is}.

    `value` is one of the sample `file`; empty, where it may be somebody's.
    """

    file: str
    column: str
    header: str
    value: str
    readings: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    """What a draft is made of.

    `source` is the source's name and `path` where it lands, if the samples' names are not to tell;
    `date_formats` are {column, by its header or its name: format}; `topic` is that of ROS bags. `ask` answers
    a question with one of its formats: without it, what has two readings is an error.
    """

    files: Sequence[Path]
    source: str | None = None
    date_formats: Mapping[str, str] = field(default_factory=dict[str, str])
    topic: str = ""
    path: str = ""
    ask: Callable[[Question], str] | None = None


@dataclass(frozen=True)
class Draft:
    """What the samples show of a source."""

    placed: Placed
    samples: Samples
    guesses: tuple[Guess, ...]
    key: tuple[str, ...]
    partition_column: str
    quarantined: int = 0
    """So many rows of one sample break the draft, and it allows them."""

    @property
    def options(self) -> ReadOptions:
        """How the samples are read."""
        return self.samples.options


def draft(request: Request) -> Draft:
    """Look at samples.

    Raises:
        ValueError: no draft can be made of them, with file and reason.
    """
    from orchestration.ingestion.formats.base import MachineLimit, Unreadable

    source = request.source
    if source is not None and portable(source) != source:
        raise ValueError(
            f"--source {source}: no name of a source; expected lower case letters, digits and underscores;"
            f" write {portable(source) or 'another'}"
        )
    where = _place(request)
    with TemporaryDirectory(prefix="sluice_draft_") as folder, open_engine() as connection:
        scratch = Path(folder)
        try:
            options = all_alike(request.files, scratch, request.topic)
            samples = read_samples(connection, where, options, scratch)
        except (Unreadable, MachineLimit) as error:
            raise ValueError(str(error)) from error
        comma_first = options.format is Format.CSV and options.delimiter == ";"
        guesses = [
            guess(connection, TABLE, f"c{at}", column, comma_first=comma_first)
            for at, column in enumerate(samples.columns)
        ]
        guesses = [
            _with_dates_apart(connection, where, one, place, comma_first) for place, one in enumerate(guesses)
        ]
        guesses = _dates_decided(connection, where, samples, guesses, request)
        values = [
            _value(one.column, found, place)
            for place, (one, found) in enumerate(zip(guesses, samples.columns, strict=True))
        ]
        partition = _partition_column(connection, where, guesses, values)
        key = _key(connection, guesses, values, samples.rows)
    return Draft(where, samples, tuple(guesses), key, partition)


def _place(request: Request) -> Placed:
    """Return where the samples land, by the answer if their names can be read in two ways."""
    places = placed(request.files, request.source, request.path)
    if len(places) == 1:
        return places[0]
    file = next(iter(places[0].keys))
    question = Question(str(file), "", "", file.name, {one.template.text: one.keys[file] for one in places})
    if request.ask is not None:
        answer = request.ask(question)
        return next(one for one in places if one.template.text == answer)
    means = ", or ".join(f"{key} by `{path}`" for path, key in question.readings.items())
    options = " or ".join(f"`--path {_shell(path)}`" for path in question.readings)
    raise ValueError(
        f"{file}: its name is of {means}; expected to be told which, as nothing is guessed; add {options}"
    )


def proved(made: Draft, text_of: Callable[[Draft], str], *, quarantine: bool) -> tuple[Draft, str]:
    """Return a draft and its text once the samples have been loaded with it.

    With `quarantine` rows that break it are allowed, as many as the samples have.

    Raises:
        ValueError: a sample does not load: which, where, and why.
    """
    from orchestration.drafting.proof import prove

    text = text_of(made)
    proof = prove(text, made.placed.keys)
    if proof.complaints and quarantine:
        allowed = replace(made, quarantined=made.samples.rows + made.samples.broken)
        counted = prove(text_of(allowed), made.placed.keys)
        made = replace(made, quarantined=counted.quarantined)
        text = text_of(made)
        proof = prove(text, made.placed.keys) if not counted.complaints else counted
    if proof.complaints:
        told = "\n".join(proof.complaints)
        allow = ", or add --quarantine to allow for bad rows" if proof.of_rows else ""
        raise ValueError(
            f"{told}\nno contract is written: the draft does not load these samples; expected every row of"
            f" every sample in the table; correct the sample or leave it out{allow}"
        )
    if proof.rows + proof.quarantined < made.samples.rows:
        raise AssertionError(f"{proof.rows} of {made.samples.rows} rows of the samples are loaded")
    return made, text


def _dates_decided(
    connection: "duckdb.DuckDBPyConnection",
    where: Placed,
    samples: Samples,
    guesses: Sequence[Guess],
    request: Request,
) -> list[Guess]:
    """Return the guesses with one reading each: the told one, the partitions', or the answer's.

    Raises:
        ValueError: nothing tells which; says both, and the option to give.
    """
    told = _by_column(guesses, request.date_formats)
    decided: list[Guess] = []
    open_ones: list[Question] = []
    for place, one in enumerate(guesses):
        if place in told:
            try:
                decided.append(told_format(connection, TABLE, f"c{place}", one, told[place]))
            except ValueError as error:
                name, form = one.column.name, told[place]
                raise ValueError(f"--date-format {name}={form}: {error}") from None
            continue
        readings = one.readings and _in_partitions(connection, where, samples, one.readings, place)
        if len(readings) == 1:
            decided.append(replace(readings[0], readings=()))
        elif not readings:
            decided.append(one)
        else:
            question = _question(connection, one, readings, place)
            if request.ask is None:
                open_ones.append(question)
                decided.append(one)
            else:
                answer = request.ask(question)
                decided.append(
                    replace(next(item for item in readings if item.date_format == answer), readings=())
                )
    if open_ones:
        raise ValueError("\n".join(_undecided(question) for question in open_ones))
    return decided


def _with_dates_apart(
    connection: "duckdb.DuckDBPyConnection", where: Placed, one: Guess, place: int, comma_first: bool
) -> Guess:
    """Remark where each sample's values are dates, and all together are none: they are written apart."""
    if one.kind is not Kind.TEXT or len(where.keys) < 2:
        return one
    formats: dict[str, str] = {}
    for file in where.keys:
        rows = f"(select * from {TABLE} where _file = {literal(str(file))})"
        found = guess(connection, rows, f"c{place}", _as_text(one.column), comma_first=comma_first)
        if found.kind in (Kind.DATE, Kind.MOMENT):
            told = " or ".join(reading.date_format for reading in found.readings or (found,))
            formats.setdefault(told or "yyyy-MM-dd", file.name)
        elif found.kind is not Kind.TEXT or not any("empty" in remark for remark in found.remarks):
            return one
    if len(formats) < 2:
        return one
    said = ", ".join(f"{form} in {name}" for form, name in formats.items())
    remark = f"TODO type: dates, written in several ways: {said}; text holds them all"
    return replace(one, remarks=(*one.remarks, remark))


def _by_column(guesses: Sequence[Guess], told: Mapping[str, str]) -> dict[int, str]:
    """Return {place of a column: its format}."""
    places: dict[int, str] = {}
    for name, form in told.items():
        found = [
            place for place, one in enumerate(guesses)
            if name in (one.column.name, one.column.header, *one.column.aliases)
        ]  # fmt: skip
        if len(found) != 1:
            known = [one.column.name for one in guesses]
            raise ValueError(
                f"--date-format {name}={form}: no column is called `{name}`; expected one of the samples;"
                f" {did_you_mean(name, known)}"
            )
        places[found[0]] = form
    return places


def _in_partitions(
    connection: "duckdb.DuckDBPyConnection",
    where: Placed,
    samples: Samples,
    readings: Sequence[Guess],
    place: int,
) -> Sequence[Guess]:
    """Return the readings by which every row lies in its sample's own partition; all, if there is none."""
    grain = where.grain
    if not grain.timed or readings[0].kind not in partition_kinds(grain):
        return readings
    found = samples.columns[place]
    own = [one for one in readings if _lies(connection, where, _value(one.column, found, place))]
    return own or readings


def _question(
    connection: "duckdb.DuckDBPyConnection", one: Guess, readings: Sequence[Guess], place: int
) -> Question:
    values = [_value(reading.column, _as_text(reading.column), place) for reading in readings]
    apart = " + ".join(f"({values[0]} is distinct from {value})::integer" for value in values[1:])
    days = ", ".join(f"strftime({value}, '%-d %B %Y')" for value in values)
    row = connection.execute(
        f"select _file, c{place}, {days} from {TABLE} where c{place} is not null and {values[0]} is not null"
        f" order by {apart} desc, _file, _line limit 1"
    ).fetchone()
    assert row is not None
    shown = PERSONAL not in one.remarks
    return Question(
        str(row[0]),
        one.column.name,
        one.column.header,
        str(row[1]) if shown else "",
        {
            reading.date_format: str(day) if shown else ""
            for reading, day in zip(readings, row[2:], strict=True)
        },
    )


def _undecided(question: Question) -> str:
    options = " or ".join(
        f"`--date-format {question.column}={form}`" for form in map(_shell, question.readings)
    )
    if question.value:
        means = ", or ".join(f"{day} as `{form}`" for form, day in question.readings.items())
        said = f"`{question.value}` is {means}"
    else:
        said = f"its dates are {' or '.join(f'`{form}`' for form in question.readings)}"
    return (
        f"{question.file}: column `{question.header}`: {said}: the samples fit both; expected to be told"
        f" which, as nothing is guessed; add {options}"
    )


def _shell(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _as_text(column: Column) -> Column:
    return replace(column, type="VARCHAR")


def _value(column: Column, found: Column, place: int) -> str:
    """Return SQL of a column's typed value, as a drop's would be."""
    from orchestration.ingestion.values import typed_value

    return typed_value(column, f"c{place}", found.type).value


def _partition_column(
    connection: "duckdb.DuckDBPyConnection", where: Placed, guesses: Sequence[Guess], values: Sequence[str]
) -> str:
    """Return the date or moment that lies in its drop's partition in every row, if there is one."""
    if not where.grain.timed:
        return ""
    kinds = partition_kinds(where.grain)
    for place, one in enumerate(guesses):
        if one.kind in kinds and one.column.required and _lies(connection, where, values[place]):
            return one.column.name
    return ""


def _lies(connection: "duckdb.DuckDBPyConnection", where: Placed, value: str) -> bool:
    """Whether a value lies in its sample's partition in every row; there must be rows."""
    partitioning = where.template.partitioning
    spans = {key: partitioning.interval(key) for key in set(where.keys.values())}
    outside = " or ".join(
        f"(_key = '{key}' and ({value} is null or {value} < timestamp '{start:%Y-%m-%d %H:%M:%S}'"
        f" or {value} >= timestamp '{end:%Y-%m-%d %H:%M:%S}'))"
        for key, (start, end) in spans.items()
    )
    found = connection.execute(f"select count(*), count(*) filter (where {outside}) from {TABLE}").fetchone()
    return found is not None and found[0] > 0 and found[1] == 0


def _key(
    connection: "duckdb.DuckDBPyConnection", guesses: Sequence[Guess], values: Sequence[str], rows: int
) -> tuple[str, ...]:
    """Return the columns that tell the rows of each drop apart: one, or the first few together."""
    if rows < _FEWEST_FOR_KEY:
        return ()
    places = {
        place: one
        for place, one in enumerate(guesses)
        if one.column.required and base_of(one.column.type) not in _NO_KEYS and one.kind is not Kind.OTHER
    }
    named = sorted(places, key=lambda place: _KEY_NAME.search(places[place].column.name) is None)
    first = list(places)
    several = (tuple(first[:size]) for size in range(2, min(_MOST_TOGETHER, len(first)) + 1))
    for some in itertools.chain(((place,) for place in named), several):
        together = ", ".join(values[place] for place in some)
        twice = f"select 1 from {TABLE} group by _key, {together} having count(*) > 1 limit 1"
        if connection.execute(twice).fetchone() is None:
            return tuple(places[place].column.name for place in some)
    return ()
