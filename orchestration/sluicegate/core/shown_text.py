"""What may be shown of a text that others wrote, where classified values are near.

Engines, readers of files, dbt, Great Expectations, drivers and vendors quote values in what they say, each in
a form of its own: as they are, shortened, URL-encoded, as JSON, as an address of something. No list of what
to take out is ever complete. So it is the other way round: where anything classified is near, a text keeps
the words that are known to be none of the data (technical words, codes made of them, the project's own names,
a status, a line's number), and `…` stands for all others.

Belongs here: that decision, and the errors that hold such texts. Does not belong here: what is near
(`project` knows what is classified), secrets of connections (`destinations.errors`).
"""

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from string import punctuation

HIDDEN = "…"
# In the place of a value, or of what is worked out of values, of a classified column.
CLASSIFIED = "(classified)"
_NOTE = f" ({HIDDEN} is not shown: classified values are near)"
# What comes between words; all other signs are part of one, so that an address is one word.
_PARTS = re.compile(r"""([\s"'`{}\[\]();,=<>|\\]+)""")
_HIDDEN_RUN = re.compile(rf"{HIDDEN}(?:[^\w{HIDDEN}]*{HIDDEN})+")
_PARTS_OF_CODE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LITERAL = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\{#.*?#\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
# A number is shown where the word before it, or after it, says what it counts, and only a short one.
_NUMBER = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){0,2}|[0-9]{1,6}")
_STATUS, _STATE = re.compile(r"[1-5][0-9]{2}"), re.compile(r"[0-9A-Z]{5}")
_NUMBERED = frozenset(("line", "row", "lines", "rows", "column", "batch", "record", "place"))
_COUNTED = frozenset(
    (
        "rows", "row", "times", "requests", "files", "records", "columns", "fields", "keys", "lines",
        "characters", "minutes", "hours", "attempts", "refused",
    )
)  # fmt: skip
# Words of which none says anything of a person or a place by itself, though a rare name is spelled like one.
_TECHNICAL = """
    a abort aborted about above absent accept accepted access account active address addresses after again
    aggregate all allocated allocation allow allowed alone already also altered ambiguous an and anew
    another answer answered answers any api app app's append application applies archive are argument
    arguments array arrow as ascii asked assert at attempt attempts attribute attributes auth authorization
    available avro azure bad bag base batch be because been before begins being below beside beyond bigger
    bigint binary bind binder bit blob body bool boolean both bounds braze brought bulk but by byte bytes
    calculated call can't cancelled cannot cascade cast casting catalog catalogue cell cells certificate
    change changed character characters check checks checksum chunk client close closed cluster code codec
    column columns compilation compile compiled complete completed compressed compression computes
    concurrent conflict connect connection constraint contain container contains content contract conversion
    convert converted converting copy correct corrupt could couldn't count crc credentials csv cursor custom
    cut cycle daily damaged data database date datetime dbt deadlock decimal declared decode deduplicate
    deduplicated deeper default deflate delete deleted delivered deliveries delivery denied dependency
    dependent deserialization destination detail details dialect did differ different digest digits disabled
    disk division do does doesn't done double dropped duckdb duplicate duplicated duplicates dynamic e-mail
    e.g each email empty encoded encoding encrypted end ended endpoint ends engine entity enum error errors
    evaluate evaluated evaluation event events every exceed exceeded exceeds excel exception execute
    execution exist existing exists expect expectation expectations expected expire expired expires explorer
    export expression expressions extension external fail failed fails failure false fatal fetch field file
    files filter finer finite first fits flag float float4 float8 folder footer footers for forbidden
    foreign foreign_key format formula found fraction from full function gateway gave generic given gives
    gone good great greater group gzip has hash have header header's hold holds host hour hours http hubspot
    hugeint i id identifier identity ids if ignored implicit in inactive incompatible incomplete index inf
    infinity ingest ingested ingestion inner input insert inserted inside instead insufficient int int16
    int32 int64 int8 integer integers interface internal interval into invalid io is isn't it item its job
    json keeps kept key keys kind know known kusto kustoservice lacks land large last least left length less
    let letters limit limits line lines list lists literal loaded lock locked long longer lookup lost lower
    magic malformed manifest many map mapped mapping marker match matched matches maximum member memory
    merge message messages metadata method middle millisecond minimum minute minutes mismatch missing mode
    model modified moments more most move multiple must name named names nan needs nested network never no
    nobody none nonexistent nor not notfound nothing nul null nullable nulls number numbers numeric object
    objects of off offset on one ones only open opens operation option or order other others out
    out_of_memory outside overflow overwritten packed pages panic parameter parameters parquet parse parsed
    parser part partition password path pattern payload per permanent permission pickle place plain plan
    planned postgres precision present primary principal privilege processed processing profile profiles
    project properties property protocol provided psycopg pyarrow query queue queued queues quota quote
    quoted range rate reached reaching read reader reads real reason recognized record records reference
    referenced refused refuses regex region regular reject rejected relation renamed repeated request
    requests require required requires reset resource response result results resume resumed retry role
    rollback rolled ros row row-level rows rule runtime said salesforce same says scalar scale schema scope
    searched second seconds secret security see sees segment self sends sent sequence serialize serialized
    server service session sets settled several shape shard sheet short should shown shows sign signature
    signed signs since size skipped sluice small smaller smallint snappy snapshot so socket some somebody
    something source spaces specified spent split sql sqlstate stack staged stamp stands statement status
    stopped storage stored stream string string's strings struct structs structure stumbled stumbles
    subquery success sum sums swallowed syntax system table tables take taken takes tar target temporary
    test text than that the their them then there these they this those throttled throughout time time64
    timed timeout times timestamp timestamptz tinyint to today token too took topic trailing transaction
    transient tried trigger true truncate truncated trusted try tuple twice two type typed types tz ubigint
    uint16 uint32 uint64 uint8 uinteger unable unanswered unauthorized unavailable undefined unexpected
    unhandled unicode unique unknown unmatched unpacked unprocessable unquoted unreachable unreadable
    unrecognized unsupported until unwritable up update updated upper upsert url use used user user's utf
    utf-16 utf8 uuid valid validate validation value values varchar varying vendor vendor's version view
    violates violation waited wanted wants was webhook were what when where which while whole width with
    within without word workbook would writable write written wrong xlsx xml yaml year you your zero zip
    zstandard zstd
"""
_KNOWN = frozenset(_TECHNICAL.split()) | _NUMBERED | _COUNTED


@dataclass(frozen=True)
class Near:
    """What is near a text: whether any classified value is, and the names that are the project's own.

    `names` are of columns, fields, tables and files: they stand in the project's files and not in its data.
    """

    classified: bool = False
    names: frozenset[str] = field(default=frozenset(), repr=False)

    @cached_property
    def folded(self) -> frozenset[str]:
        """The names without regard to case."""
        return frozenset(name.casefold() for name in self.names)

    def beside(self, others: Iterable["Near"]) -> "Near":
        """Return what is near a text that may quote values of these as well."""
        # Tables of one project share their names: those are not copied.
        every = list(dict.fromkeys(one for one in (self, *others) if one.classified))
        if len(every) < 2:
            return every[0] if every else self
        return Near(any(one.classified for one in every), frozenset().union(*(one.names for one in every)))

    def knowing(self, names: Iterable[str]) -> "Near":
        """Return the same with more names."""
        if not self.classified:
            return self
        return Near(self.classified, self.names | set(names))


NOTHING_CLASSIFIED = Near()


def names_in_code(code: str) -> set[str]:
    """Return the names in SQL or a template as it lies in the project: no literal and no comment."""
    return set(_NAME.findall(_LITERAL.sub(" ", code)))


def shown(text: object, near: Near) -> str:
    """Return what may be shown of a text (or an error) that others wrote.

    All of it where nothing classified is near, otherwise the words that are known to be none of the data, on
    one line. A text that was shown once comes out the same.
    """
    whole = str(text)
    if not near.classified:
        return whole
    parts = _PARTS.split(whole.strip().removesuffix(_NOTE.strip()))
    words = parts[::2]
    kept: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1].strip(punctuation) if place else ""
        after = words[place + 1].strip(punctuation) if place + 1 < len(words) else ""
        kept.append(word if _is_known(word, before, after, near) else HIDDEN)
        if 2 * place + 1 < len(parts):
            kept.append(parts[2 * place + 1])
    told = _HIDDEN_RUN.sub(HIDDEN, " ".join("".join(kept).split()))
    return f"{told}{_NOTE}" if HIDDEN in told else told


def shown_code(code: str, near: Near) -> str:
    """Return what may be shown of a code of an error: a status and known words, or `…` for the whole."""
    if not near.classified or _STATUS.fullmatch(code):
        return code
    return HIDDEN if HIDDEN in shown(code, near) else code


class Undisclosed(Exception):
    """An error whose text might quote classified values; it says what may be shown of it."""


@contextmanager
def showing_errors(near: Near) -> Generator[None]:
    """Let no error out of the block that quotes a classified value, in its text or in what it came of.

    Errors of this platform and of Dagster say what is theirs to say, and come out alone: what they came of is
    cut off, as whoever shows an error shows that as well.

    Raises:
        Undisclosed: any other error came up, and something classified is near.
    """
    try:
        yield
    except Exception as error:
        if not near.classified:
            raise
        told = _told(error, near)
    else:
        return
    # Outside the handler: inside, the error would be the context of what is raised.
    raise told from None


def _told(error: Exception, near: Near) -> Exception:
    if type(error).__module__.partition(".")[0] in ("sluicegate", "dagster"):
        error.__cause__ = error.__context__ = None
        return error
    told = Undisclosed(f"{type(error).__name__}: {shown(error, near)}")
    return told.with_traceback(error.__traceback__)


def _is_known(word: str, before: str, after: str, near: Near) -> bool:
    core = word.strip(punctuation)
    if not core:
        return word.isascii()
    if before.upper() == "SQLSTATE" and _STATE.fullmatch(core):
        return True
    if _NUMBER.fullmatch(core):
        if before.upper() == "HTTP" and _STATUS.fullmatch(core):
            return True
        return before.lower() in _NUMBERED or after.lower() in _COUNTED
    if _is_name(word, near) or _is_name(core, near):
        return True
    return core.casefold() in _KNOWN or _is_code(core)


def _is_name(word: str, near: Near) -> bool:
    folded = word.casefold()
    return folded in near.folded or ("." in folded and all(part in near.folded for part in folded.split(".")))


def _is_code(word: str) -> bool:
    """Whether a word is made of known words alone, as `DUPLICATE_VALUE` and `ConversionException` are."""
    if not word.isascii():
        return False
    parts = _PARTS_OF_CODE.findall(word)
    return (
        len(parts) > 1
        and "".join(parts) == re.sub(r"[_.-]", "", word)
        and all(part.casefold() in _KNOWN for part in parts)
    )
