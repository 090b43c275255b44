"""A type as a contract's author writes it: in capitals but for the names in it; and the engine's spelling.

`struct(b_c int)` is `STRUCT(b_c INT)`, as names of fields and words of an ENUM are data; two spellings of one
type (`INT`, `INTEGER`) are told to be the same by `same_spelling`. Belongs here: reading the text of a type.
Does not belong here: which types there are (`contracts.types`).
"""

import re
from collections.abc import Iterator

ALIASES = {
    "INT": "INTEGER", "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BPCHAR": "VARCHAR",
    "NUMERIC": "DECIMAL", "REAL": "FLOAT", "BOOL": "BOOLEAN", "DATETIME": "TIMESTAMP", "ROW": "STRUCT",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "TIMETZ": "TIME WITH TIME ZONE",
}  # fmt: skip
_NAMED = ("STRUCT", "UNION", "ROW")
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^\W\d]\w*|\d+|\s+|.", re.DOTALL)
# The engine's own where nothing is said.
_DECIMAL = "DECIMAL(18,3)"


def type_text(said: str) -> str:
    """Return a type in capitals, but for the names of fields and members, and what stands in quotes."""
    return "".join(text if name else _upper(text) for text, name in _tokens(said.strip()))


def same_spelling(type_: str, *, folded: bool = False) -> str:
    """Return one text for all spellings of a type, those of `describe` too; it is no type to be written.

    `folded` takes names of fields for the same whatever their case, as the engine does.
    """
    parts: list[str] = []
    for text, name in _tokens(type_.strip()):
        if text.isspace():
            parts += [" "] if parts and parts[-1].isalpha() else []
        elif name:
            bare = text[1:-1].replace('""', '"') if text.startswith('"') else text
            parts.append(f'"{bare.casefold() if folded else bare}" ')
        else:
            word = _upper(text)
            parts.append(ALIASES.get(word, word))
    made = re.sub(r" +(?=[,()\[]|$)", "", "".join(parts))
    made = re.sub(r"\bDECIMAL(?!\()", _DECIMAL, made)
    return re.sub(r"\bDECIMAL\((\d+)\)", r"DECIMAL(\1,0)", made)


def parts_of(type_: str) -> list[str]:
    """Return the types within a type, as they are written: of a struct's fields, a list's element, a map."""
    if type_.endswith("]"):
        return [type_[: type_.rindex("[")].rstrip()]
    base, _, inside = type_.partition("(")
    base, inside = base.strip(), inside.rstrip().removesuffix(")")
    if base == "MAP":
        return list(_between_commas(inside))
    if base in _NAMED:
        return [_TOKEN.sub("", part, count=1).strip() for part in _between_commas(inside)]
    return []


def without_lengths(type_: str) -> str:
    """Return a type whose lists of a fixed length are of any."""
    signs = [*_tokens(type_)]
    return "".join(text for (text, _), (before, _) in zip(signs, [("", False), *signs], strict=False)
                   if not (text.isdigit() and before == "["))  # fmt: skip


def words_of(type_: str) -> list[str]:
    """Return the words of an ENUM."""
    return [text[1:-1].replace("''", "'") for text in _TOKEN.findall(type_) if text.startswith("'")]


def _tokens(type_: str) -> Iterator[tuple[str, bool]]:
    """Yield each token, and whether it is the name of a field or a member."""
    brackets: list[bool] = []
    word, names = "", False
    for text in _TOKEN.findall(type_):
        name = names and not text.isspace() and text not in "(),"
        yield text, name
        if text.isspace():
            continue
        if text == "(":
            brackets.append(word in _NAMED)
        elif text == ")" and brackets:
            brackets.pop()
        names = text in "(," and bool(brackets) and brackets[-1]
        word = "" if name else text.upper()


def _between_commas(text: str) -> Iterator[str]:
    """Yield what stands between commas, save those within brackets or quotes."""
    depth, part = 0, ""
    for sign in _TOKEN.findall(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and not depth:
            yield part.strip()
            part = ""
        else:
            part += sign
    if part.strip():
        yield part.strip()


def _upper(text: str) -> str:
    return text if text[:1] in ("'", '"') else text.upper()
