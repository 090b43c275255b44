"""A draft -> the text of a contract file, with `TODO` where only a person knows.

Belongs here: the words and the order of the file. Does not belong here: what is in it.
"""

from collections.abc import Iterator, Mapping

from sluicegate.contracts.reading import Format, compression_of
from sluicegate.contracts.types import Kind
from sluicegate.drafting.contract import PERSONAL, Draft
from sluicegate.drafting.paths import first_key
from sluicegate.drafting.values import Guess

_LOGICAL = {
    Kind.TEXT: "string", Kind.DATE: "date", Kind.MOMENT: "timestamp", Kind.TIME: "time",
    Kind.BOOLEAN: "boolean",
}  # fmt: skip
_INDENT = "        "
_NOTHING = '""'


def contract_text(draft: Draft, known: Mapping[str, str] | None = None) -> str:
    """Return the text of the contract file; `known` may have `purpose`, `provider` and `owner`."""
    said = known or {}
    return "\n".join([*_head(draft, said), *_server(draft), *_schema(draft), *_foot(draft, said), ""])


def _known(said: Mapping[str, str], name: str, empty: str, todo: str) -> str:
    """Return a value that somebody has told, or what marks that nobody has."""
    return _said(said[name]) if said.get(name) else f"{empty}  # TODO {todo}"


def _said(value: object) -> str:
    """Return a value as YAML on one line."""
    import yaml

    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10**9, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _head(draft: Draft, said: Mapping[str, str]) -> Iterator[str]:
    name = draft.placed.source
    yield "# Drafted by `sluice contract new` from samples, which it loads. What is left: `sluice check`."
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: {_said(name.replace('_', '-'))}"
    yield f"name: {_said(name)}"
    yield "version: 0.1.0"
    yield "status: draft"
    yield "description:"
    yield f"  purpose: {_known(said, 'purpose', _NOTHING, 'what the feed is, in one sentence')}"
    yield '  limitations: ""  # TODO what a reader must know: gaps, corrections, what an empty value means'


def _server(draft: Draft) -> Iterator[str]:
    options, template = draft.options, draft.placed.template.text
    yield "servers:"
    yield "  - server: staging  # one of contracts/connectors.yml, where there is one"
    yield "    type: local"
    yield f"    path: {_said(template)}"
    yield f"    format: {options.format}"
    custom: dict[str, object] = {}
    if options.format is Format.CSV:
        custom |= {"delimiter": options.delimiter} if options.delimiter != "," else {}
        custom |= {"quote": options.quote} if options.quote != '"' else {}
        custom |= {"escape": options.escape} if options.escape != options.quote else {}
        custom |= {} if options.header else {"header": False}
        custom |= {"skipLines": options.skip_lines} if options.skip_lines else {}
    elif options.format is Format.EXCEL and not options.header:
        custom["header"] = False
    custom |= {"topic": options.topic} if options.topic else {}
    if options.encoding != "utf-8":
        custom["encoding"] = options.encoding
    if options.compression is not compression_of(template):
        custom["compression"] = str(options.compression)
    if custom:
        yield "    customProperties:"
        yield from _properties(custom, "      ")


def _properties(custom: dict[str, object], indent: str) -> Iterator[str]:
    for name, value in custom.items():
        yield f"{indent}- property: {name}"
        yield f"{indent}  value: {_said(value)}"


def _schema(draft: Draft) -> Iterator[str]:
    yield "schema:"
    yield f"  - name: {_said(draft.placed.source)}"
    yield "    logicalType: object"
    yield "    physicalType: table"
    yield '    dataGranularityDescription: ""  # TODO one row is one …'
    if not draft.key:
        yield "    # TODO key: no column, nor the first few together, tells the rows of the samples apart"
    yield from _of_the_partition(draft)
    yield "    properties:"
    for guess in draft.guesses:
        yield from _property(draft, guess)


def _of_the_partition(draft: Draft) -> Iterator[str]:
    """Say how rows get a day that stands only where they landed."""
    grain = draft.placed.grain
    if not grain.timed or draft.partition_column:
        return
    macro, column = (
        ("landed_timestamp()", "landed_at")
        if grain.column_type == "timestamp"
        else ("landed_date()", "landed_on")
    )
    yield f"    # No column tells the {grain.unit} of a row; its path does. A model selects it as"
    yield f"    #   {{{{ {macro} }}}} as {column}"


def _property(draft: Draft, guess: Guess) -> Iterator[str]:
    column = guess.column
    yield f"      - name: {_said(column.name)}{_remarks(guess, '')}"
    if column.header != column.name:
        yield f"{_INDENT}physicalName: {_said(column.header)}"
    yield f"{_INDENT}logicalType: {_logical(guess)}"
    yield f"{_INDENT}physicalType: {_said(column.type)}{_remarks(guess, 'TODO')}"
    yield f'{_INDENT}description: ""  # TODO'
    yield f"{_INDENT}required: {str(column.required).lower()}"
    if column.name in draft.key:
        yield f"{_INDENT}primaryKey: true"
        yield f"{_INDENT}primaryKeyPosition: {draft.key.index(column.name) + 1}"
    if column.name == draft.partition_column:
        yield f"{_INDENT}partitioned: true"
        yield f"{_INDENT}partitionKeyPosition: 1"
    personal = "  # TODO personal? then another word, and `masking`" if PERSONAL in guess.remarks else ""
    yield f"{_INDENT}classification: internal{personal}"
    if guess.date_format:
        yield f"{_INDENT}logicalTypeOptions:"
        yield f"{_INDENT}  format: {_said(guess.date_format)}"
    custom = _written(guess)
    if custom:
        yield f"{_INDENT}customProperties:"
        yield from _properties(custom, f"{_INDENT}  ")


def _remarks(guess: Guess, begin: str) -> str:
    found = [remark for remark in guess.remarks if remark.startswith("TODO") == (begin == "TODO")]
    return f"  # {'; '.join(found)}" if found else ""


def _logical(guess: Guess) -> str:
    if guess.kind is Kind.NUMBER:
        return "integer" if guess.column.type.endswith(("INT", "INTEGER")) else "number"
    return _LOGICAL.get(guess.kind, "object")


def _written(guess: Guess) -> dict[str, object]:
    written = guess.column.written
    custom: dict[str, object] = {}
    if guess.column.aliases:
        custom["aliases"] = list(guess.column.aliases)
    if written.null_words:
        custom["nullWords"] = list(written.null_words)
    if written.decimal_separator != ".":
        custom["decimalSeparator"] = written.decimal_separator
    if written.thousands_separator:
        custom["thousandsSeparator"] = written.thousands_separator
    if written.currency:
        custom["currency"] = list(written.currency)
    if written.true_words:
        custom["trueWords"] = list(written.true_words)
        custom["falseWords"] = list(written.false_words)
    return custom


def _foot(draft: Draft, said: Mapping[str, str]) -> Iterator[str]:
    grain = draft.placed.grain
    yield "# TODO SLA: how often a drop comes, and how late it may be; else remove these lines"
    yield "# slaProperties:"
    yield "#   - {property: frequency, value: 1, unit: d}"
    yield "#   - {property: latency, value: 30, unit: h}"
    yield "customProperties:"
    yield "  - property: partitionGrain"
    yield f"    value: {grain}"
    if grain.timed:
        yield "  - property: partitionStart"
        yield f"    value: {_quoted(first_key(draft.placed))}  # TODO the first partition of the feed"
    if draft.samples.empty:
        yield "  - property: daysWithoutDrop"
        yield f"    value: allowed  # TODO a sample has no rows: may a {grain.unit} be empty?"
    if draft.samples.shape:
        yield "  # The samples differ in their columns."
        yield "  - property: shapeChanges"
        yield f"    value: {_said(dict(draft.samples.shape))}"
    if draft.quarantined:
        yield "  - property: quarantineLimit"
        yield f"    value: {{rows: {draft.quarantined}}}  # TODO so many of a sample are bad"
    yield "  - property: owner"
    yield f"    value: {_known(said, 'owner', _NOTHING, 'an e-mail address: who answers for it here')}"
    yield "  - property: provider"
    yield f"    value: {_known(said, 'provider', 'TODO', 'who promises the feed, and how to reach them')}"


def _quoted(text: str) -> str:
    return f'"{text}"'
