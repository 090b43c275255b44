"""A model that is to be sent -> the text of a suite for it: rows, their key, and what is never null.

Belongs here: the words of the file. Does not belong here: what an export needs (`project.guards`), the disk.
"""

from collections.abc import Iterator, Sequence


def draft_suite(model: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """Return the text of a suite that can fail by rows and by values.

    Args:
        model: the dbt model.
        key: the columns that tell its rows apart, () where nothing says so.
        columns: its columns without the one that cuts it, () where they are not known.
    """
    return "\n".join([*_lines(model, key, columns), ""])


def _lines(model: str, key: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    yield f"description: TODO what must hold of `{model}`, in one sentence"
    yield "expectations:"
    yield from _rule("expect_table_row_count_to_be_between", "{min_value: 1}")
    if len(key) == 1:
        yield from _rule("expect_column_values_to_be_unique", f"{{column: {key[0]}}}")
    elif key:
        yield from _rule("expect_compound_columns_to_be_unique", f"{{column_list: [{', '.join(key)}]}}")
    else:
        yield "  # TODO which columns tell its rows apart: expect_column_values_to_be_unique"
    for column in (key or columns)[:1]:
        yield from _rule("expect_column_values_to_not_be_null", f"{{column: {column}}}")


def _rule(kind: str, kwargs: str) -> list[str]:
    return [f"  - type: {kind}", f"    kwargs: {kwargs}", "    severity: critical"]
