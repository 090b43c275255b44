"""The kinds of references: how the address of each is written, and who reads what is there.

`file` and `env` are read at each use, as that costs nothing. Other kinds than ours are entry points of the
group `sluice.secrets`: the name is the kind's, the object a function from an address (what stands after
`secret+NAME:`) to the secret, which raises `SecretError`.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sluicegate.core.problems import did_you_mean
from sluicegate.core.secrets import azure
from sluicegate.core.secrets.errors import SecretError

GROUP = "sluice.secrets"
_REFERENCE = re.compile(r"secret\+([a-z][a-z0-9-]*):(.+)", re.DOTALL | re.IGNORECASE)
_MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Kind:
    """How addresses are written, and read; `kept` for a time where reading costs a request."""

    form: str
    expected: str
    read: Callable[[str], str]
    kept: bool = True
    hosts: Callable[[str], tuple[str, ...]] = lambda _: ()


@dataclass(frozen=True)
class Reference:
    """One reference, as written: `secret+KIND:ADDRESS`."""

    written: str
    kind: Kind
    address: str


@lru_cache(1000)
def reference_of(written: str) -> Reference:
    """Read a reference; nothing is looked up but the names of other people's kinds.

    Raises:
        SecretError: it is none.
    """
    found = _REFERENCE.fullmatch(written)
    name = found[1].lower() if found else ""
    kind = _KINDS.get(name) or (_others().get(name) if name else None)
    if found is None or kind is None:
        known = sorted({*_KINDS, *_others()})
        what = f"`secret+{name}:`" if name else "`secret+` with no kind and address after it"
        fix = did_you_mean(name, known) if name else "correct it; a secret that begins so belongs in a file"
        raise SecretError(f"{what} is no kind of reference", f"secret+KIND:…, KIND one of {known}", fix)
    if not re.fullmatch(kind.form, found[2]):
        raise SecretError(f"`{written}` has no address of its kind", kind.expected, "correct it")
    return Reference(written, kind, found[2])


def _file(address: str) -> str:
    path = Path("/" + address.lstrip("/"))
    expected, fix = "a file with the secret in UTF-8", f"mount or write {path}, readable for this process"
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise SecretError(f"it has more than {_MOST_BYTES:,} bytes", expected, fix)
        text = content.decode()
    except OSError as error:
        raise SecretError(str(error.strerror), expected, fix) from None
    except UnicodeDecodeError:
        raise SecretError("its bytes are no UTF-8", expected, fix) from None
    # One end of line, which editors and `echo` write; a secret may end in others.
    return re.sub(r"\r?\n\Z", "", text, count=1)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise SecretError("it is not set", "a variable with the secret", f"set {name} for this process")
    return os.environ[name]


def _others() -> dict[str, Kind]:
    from importlib.metadata import entry_points

    # What reads is not loaded before it is used.
    return {
        point.name.lower(): Kind(r"(?s).+", "an address", lambda address, point=point: point.load()(address))
        for point in entry_points(group=GROUP)
    }


_KINDS = {
    "azkv": Kind(azure.FORM, azure.EXPECTED, azure.read, hosts=azure.hosts),
    "file": Kind(r"(?s)/.+", "secret+file:/absolute/path", _file, kept=False),
    "env": Kind(r"[A-Za-z_][A-Za-z0-9_]*", "secret+env:NAME", _variable, kept=False),
}
