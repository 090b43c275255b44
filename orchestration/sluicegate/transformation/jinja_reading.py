"""What a text with Jinja asks for: names of dbt's and of macros, each with what is done to it.

Read with dbt's own parser, and kept by content: nothing is parsed twice that has not changed. Belongs here:
how a text is read. Does not belong here: what of it may be used (`jinja_rules`).
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

if TYPE_CHECKING:
    from jinja2 import nodes

# What is kept of another form is read anew: raise it when the same text would be read otherwise.
_FORM = "1"
_LITERAL = r"\s*(?:'[^'{}]*'|\"[^\"{}]*\")\s*"
_READS = rf"(?:ref|source)\({_LITERAL}(?:,{_LITERAL})?\)"
# So plain are most texts, and all that dbt writes itself, that parsing them would tell nothing.
_PLAIN = re.compile(rf"\{{\{{-?\s*(?:{_READS}|get_where_subquery\({_READS}\))\s*-?\}}\}}")
_OPENED = re.compile(r"\{[{%#]")
# They change the dictionary that they are called on.
_CHANGING = frozenset({"clear", "pop", "popitem", "setdefault", "update"})
# What dbt hands to every text, and macros of ours read.
_SHARED_BY_ALL = frozenset({"config", "graph", "model", "target"})


@dataclass(frozen=True)
class Use:
    """A name that a text takes from outside of itself.

    `name` is the name, and `part` the attribute that is taken of it, or "". `called`: these two are called.
    `line` counts from 1 in the text. Of a tag that leads out of the text `name` is `{% tag %}`; of a
    dictionary of dbt's that is changed, `part` is the method with brackets, as `update()`; of what cannot be
    read, `name` is empty. `given`: the text gives the name, too, but not before each place where it stands. A
    dispatch that is called at once has the name `adapter`, and `dispatched` is (macro, package), of which a
    computed one is "?".
    """

    name: str
    part: str
    called: bool
    line: int
    dispatched: tuple[str, str] | None = None
    given: bool = False


class JinjaTexts:
    """Texts as they were read; `record` is the file that keeps them from one process to the next."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._known = _recorded(record)
        self._asked: dict[str, list[list[Any]]] = {}
        self._new = False

    def uses(self, text: str) -> list[Use]:
        """Return what a text takes from outside of itself, in no special order."""
        if len(_OPENED.findall(text)) == len(_PLAIN.findall(text)):
            return []
        digest = hashlib.sha256(f"{_FORM}{text}".encode()).hexdigest()
        told = self._asked.get(digest) or self._known.get(digest)
        if told is None:
            found = sorted(set(_uses(text)), key=lambda use: (use.line, use.name, use.part))
            told = [list(astuple(use)) for use in found]
            self._new = True
        self._asked[digest] = told
        return [_use_told(*item) for item in told]

    def keep(self) -> None:
        """Write down what was asked for since, if any of it was new."""
        if self._new:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            # The UI's, the daemon's and each run's process load the graph, sometimes all at once.
            writing = self._record.with_suffix(f".{uuid4().hex}")
            writing.write_text(json.dumps(self._asked))
            writing.replace(self._record)


def _use_told(
    name: str, part: str, called: bool, line: int, dispatched: list[str] | None, given: bool
) -> Use:
    return Use(name, part, called, line, (dispatched[0], dispatched[1]) if dispatched else None, given)


def _recorded(record: Path) -> dict[str, list[list[Any]]]:
    with suppress(FileNotFoundError, ValueError):
        return json.loads(record.read_bytes())
    return {}


def _uses(text: str) -> Iterator[Use]:
    from dbt_common.clients.jinja import get_environment
    from jinja2 import TemplateError, nodes

    environment = _environment(get_environment)
    try:
        template: nodes.Template = environment.parse(text)
        outside = _names_from_outside(template, environment.globals)
    except TemplateError as error:
        said = " ".join(str(error.message or error).split())
        yield Use("", said, called=False, line=getattr(error, "lineno", None) or 1)
        return
    names = template.find_all(nodes.Name)
    given = {name.name for name in names if name.ctx == "store"} if outside else frozenset[str]()
    for use in _Reader(template, outside).uses(template):
        yield replace(use, given=True) if use.name in given else use


def _names_from_outside(template: "nodes.Template", of_jinja: Iterable[str]) -> frozenset[str]:
    from jinja2 import meta, nodes

    kinds = nodes
    giving = (
        kinds.Assign, kinds.AssignBlock, kinds.For, kinds.Macro, kinds.CallBlock, kinds.With, kinds.Import,
        kinds.FromImport, kinds.Block, kinds.Scope,
    )  # fmt: skip
    if next(template.find_all(giving), None) is not None:
        return frozenset(meta.find_undeclared_variables(template))
    # What jinja2 does to find the same takes as long as to parse; most models give no names.
    return frozenset(name.name for name in template.find_all(kinds.Name)) - frozenset(of_jinja)


_ENVIRONMENT: list[Any] = []


def _environment(make: Any) -> Any:
    if not _ENVIRONMENT:  # it takes as long as a text to parse
        _ENVIRONMENT.append(make())
    return _ENVIRONMENT[0]


class _Reader:
    """Reads one template; `outside` are the names that are looked up outside of it, wherever they stand."""

    def __init__(self, template: "nodes.Template", outside: frozenset[str]) -> None:
        from jinja2 import nodes

        self._nodes = nodes
        self._outside = outside
        self._called = {id(call.node) for call in template.find_all(nodes.Call)}
        self._shared = self._names_of_what_is_shared(template)

    def uses(self, node: "nodes.Node") -> Iterator[Use]:
        kinds = self._nodes
        if isinstance(node, kinds.Import | kinds.FromImport | kinds.Include | kinds.Extends | kinds.Block):
            tag = {"FromImport": "from"}.get(type(node).__name__, type(node).__name__.lower())
            yield Use(f"{{% {tag} %}}", "", called=False, line=node.lineno)
        if isinstance(node, kinds.Call):
            yield from self._call(node)
        elif path := self._path(node):
            yield _use(path, called=False, line=node.lineno)
        else:
            for child in node.iter_child_nodes():
                yield from self.uses(child)

    def _call(self, call: "nodes.Call") -> Iterator[Use]:
        kinds = self._nodes
        path = self._path(call.node)
        if path is not None and len(path) <= 2:
            use = _use(path, called=True, line=call.lineno)
            if path != ("adapter", "dispatch"):
                yield use
            elif id(call) not in self._called:
                yield Use("adapter", "dispatch", called=False, line=call.lineno)
            else:
                yield Use("adapter", "dispatch", True, call.lineno, self._dispatched(call))
        elif self._path(call) is None:
            yield from self.uses(call.node)
        else:  # context.get('name')
            yield _use(self._path(call) or (), called=False, line=call.lineno)
        if isinstance(call.node, kinds.Getattr) and call.node.attr in _CHANGING:
            root = self._root(call.node.node)
            if root is not None and root in self._shared:
                yield Use(root, f"{call.node.attr}()", called=True, line=call.lineno)
        for child in chain(call.args, call.kwargs, (call.dyn_args, call.dyn_kwargs)):
            if child is not None:
                yield from self.uses(child)

    def _path(self, node: "nodes.Node") -> tuple[str, ...] | None:
        """Return (name, attribute, …) of what is taken from outside by names that are written out."""
        kinds = self._nodes
        found: tuple[str, ...] | None = None
        if isinstance(node, kinds.Name):
            found = (node.name,) if node.ctx == "load" and node.name in self._outside else None
        elif isinstance(node, kinds.Getattr):
            found = self._longer(node.node, node.attr)
        elif isinstance(node, kinds.Getitem) and isinstance(node.arg, kinds.Const):
            found = self._longer(node.node, node.arg.value)
        elif isinstance(node, kinds.Call) and node.args and isinstance(node.args[0], kinds.Const):
            inner = self._path(node.node)
            found = ("context", str(node.args[0].value)) if inner == ("context", "get") else None
        # What stands in `context` is what stands outside.
        return found[1:] if found and found[0] == "context" and found[1:] not in ((), ("get",)) else found

    def _longer(self, node: "nodes.Node", attribute: object) -> tuple[str, ...] | None:
        inner = self._path(node)
        return (*inner, str(attribute)) if inner else None

    def _dispatched(self, call: "nodes.Call") -> tuple[str, str]:
        stated = dict(zip(("macro_name", "macro_namespace"), call.args, strict=False))
        stated |= {keyword.key: keyword.value for keyword in call.kwargs}
        spread = call.dyn_args is not None or call.dyn_kwargs is not None
        known = len(call.args) <= 2 and not spread and stated.keys() <= {"macro_name", "macro_namespace"}
        return (
            self._literal(stated.get("macro_name")) or "?" if known else "?",
            self._literal(stated["macro_namespace"]) if "macro_namespace" in stated else "",
        )

    def _literal(self, node: "nodes.Node | None") -> str:
        if not isinstance(node, self._nodes.Const):
            return "?"
        return "" if node.value is None else str(node.value)

    def _root(self, node: "nodes.Node") -> str | None:
        """Return the name at the start of `name.a['b'].c(d)`."""
        kinds = self._nodes
        while isinstance(node, kinds.Getattr | kinds.Getitem | kinds.Call):
            path = self._path(node)
            node = node.node
            if path is not None:
                return path[0]
        return node.name if isinstance(node, kinds.Name) else None

    def _names_of_what_is_shared(self, template: "nodes.Template") -> frozenset[str]:
        """The names under which a text knows what dbt hands to every text, those that it gives itself too."""
        kinds = self._nodes
        found = set(_SHARED_BY_ALL & self._outside)
        given: list[tuple[nodes.Node, nodes.Node]] = [
            (node.target, node.node) for node in template.find_all(kinds.Assign)
        ]
        given += [(node.target, node.iter) for node in template.find_all(kinds.For)]
        for _ in given:
            before = len(found)
            for target, value in given:
                if self._root(value) in found:
                    names = cast("Iterable[nodes.Name]", target.find_all(kinds.Name))
                    found |= {name.name for name in names}
                    found |= {target.name} if isinstance(target, kinds.Name) else set()
            if len(found) == before:
                break
        return frozenset(found)


def _use(path: tuple[str, ...], *, called: bool, line: int) -> Use:
    return Use(path[0], path[1] if len(path) > 1 else "", called, line)


def strings_with_jinja(value: object) -> Iterator[str]:
    """Yield the strings in a value of a YAML file that have Jinja in them."""
    if isinstance(value, str):
        if _OPENED.search(value):
            yield value
    elif isinstance(value, Mapping):
        for inner in cast("Mapping[Any, object]", value).values():
            yield from strings_with_jinja(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("Iterable[object]", value):
            yield from strings_with_jinja(inner)
