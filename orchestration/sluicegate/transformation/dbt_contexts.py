"""What a text of dbt's may call, made when it is called.

For each text that it renders dbt makes some sixty values, and a callable of each of its five hundred macros;
it copies them all for the text, and again for each macro that is called. A handful is looked at. Here a
context has all of them by name, and makes one when it is looked up. Texts and macros look into the very
context, without a copy. Whoever goes through a context as a whole finds everything in it.
Belongs here: contexts, and how texts look things up in them. Does not: what else of dbt is done otherwise
(`dbt_eased`). All of it is private to dbt and Jinja; a test notices a change.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

# Two packages that a node may be of, of each of a few parsed projects.
_INDEXES = 16


class MadeWhenAsked(dict[str, Any]):
    """A dictionary whose members are made when they are looked up; gone through as a whole, all are made."""

    __slots__ = ("_make", "_unmade")

    def __init__(self) -> None:
        super().__init__()
        self.makes({}, lambda _: None)

    def makes(self, unmade: Mapping[str, Any], make: Callable[[Any], Any]) -> None:
        """Have it all these members too, each made of what stands for it; they go before what it has."""
        for name in unmade.keys() & super().keys():
            super().__delitem__(name)
        self._unmade, self._make = unmade, make

    def __missing__(self, name: str) -> Any:
        made = self._make(self._unmade[name])
        super().__setitem__(name, made)
        return made

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._unmade

    def get(self, name: str, default: Any = None) -> Any:
        """Return a member."""
        try:
            return self[name]
        except KeyError:
            return default

    def _whole(self) -> "MadeWhenAsked":
        for name in self._unmade:
            self[name]
        self._unmade = {}
        return self

    def __iter__(self) -> Iterator[str]:
        return super(MadeWhenAsked, self._whole()).__iter__()

    def __reversed__(self) -> Iterator[str]:
        return super(MadeWhenAsked, self._whole()).__reversed__()

    def __len__(self) -> int:
        return super(MadeWhenAsked, self._whole()).__len__()

    def __delitem__(self, name: str) -> None:
        super(MadeWhenAsked, self._whole()).__delitem__(name)

    def __eq__(self, other: object) -> bool:
        return super(MadeWhenAsked, self._whole()).__eq__(other)

    def __or__(self, other: Any) -> Any:
        return dict(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | dict(self)

    __hash__ = None

    def keys(self) -> Any:
        """Return all of them."""
        return super(MadeWhenAsked, self._whole()).keys()

    def values(self) -> Any:
        """Return all of them."""
        return super(MadeWhenAsked, self._whole()).values()

    def items(self) -> Any:
        """Return all of them."""
        return super(MadeWhenAsked, self._whole()).items()

    def copy(self) -> dict[str, Any]:
        """Return all of them."""
        return dict(self)

    def pop(self, *words: Any) -> Any:
        """Take a member out."""
        return super(MadeWhenAsked, self._whole()).pop(*words)

    def popitem(self) -> tuple[str, Any]:
        """Take a member out."""
        return super(MadeWhenAsked, self._whole()).popitem()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return a member, which is this from now on if there is none."""
        return super(MadeWhenAsked, self._whole()).setdefault(name, default)

    def clear(self) -> None:
        """Take all of them out."""
        super(MadeWhenAsked, self._whole()).clear()


def ease_contexts() -> None:
    """Have dbt make its contexts so, for the life of the process."""
    from dbt.adapters.base.query_headers import MacroQueryStringSetter
    from dbt.cli import requires
    from dbt.parser import manifest as parser

    _ease_namespaces()
    _ease_variables()
    _ease_templates()
    setattr(MacroQueryStringSetter, "_get_comment_macro", lambda _: None)  # noqa: B010
    for module in (requires, parser):
        setattr(module, "generate_query_header_context", lambda *_: {})  # noqa: B010


def _ease_namespaces() -> None:
    from dbt.clients.jinja import MacroGenerator
    from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
    from dbt.context.manifest import ManifestContext
    from dbt.context.providers import MacroContext, ModelContext
    from dbt.include.global_project import PROJECT_NAME

    builds, begins = MacroNamespaceBuilder.build_namespace, ManifestContext._build_namespace  # pyright: ignore[reportPrivateUsage]
    of_context, whole = ManifestContext.__mro__[1].to_dict, ManifestContext.to_dict
    indexes: list[tuple[Any, Any, Any]] = []

    def index_of(builder: Any, packages: Any) -> Any:
        """Return where dbt puts each macro, as it does it; macros may be added while a project is parsed."""
        key = (
            builder.root_package, builder.search_package, tuple(builder.internal_package_names_order),
            tuple(map(len, packages.values())),
        )  # fmt: skip
        for of, known, index in indexes:
            if of is packages and known == key:
                return index
        index = builds(MacroNamespaceBuilder(*key[:2], cast("Any", None), list(key[2])), packages, {})
        indexes.append((packages, key, index))
        del indexes[:-_INDEXES]
        return index

    class Namespace(MacroNamespace):
        def __init__(self, index: Any, context: Any, node: Any, stack: Any) -> None:
            made = dict[int, Any]()

            def bound(item: Any) -> Any:
                if isinstance(item, str):  # a package's name
                    return self.global_project_namespace if item == PROJECT_NAME else self.packages[item]
                if id(item) not in made:  # one may be found under several
                    one = made[id(item)] = MacroGenerator.__new__(MacroGenerator)
                    one.__dict__ = {"macro": item.macro, "context": context, "node": node, "stack": stack}
                return made[id(item)]

            def members(unmade: Any) -> MadeWhenAsked:
                found = MadeWhenAsked()
                found.makes(unmade, bound)
                return found

            super().__init__(
                members(index.global_namespace), members(index.local_namespace),
                members(index.global_project_namespace),
                {name: members(package) for name, package in index.packages.items()},
            )  # fmt: skip
            self.index, self.bound = index, bound

    def build_namespace(self: Any, packages: Any, context: Any) -> Any:
        return Namespace(index_of(self, packages), context, self.node, self.thread_ctx)

    def begin(self: Any) -> Any:
        self._ctx = MadeWhenAsked()  # the very one that macros are called with
        return begins(self)

    def to_dict(self: Any) -> dict[str, Any]:
        if not isinstance(self.namespace, Namespace):
            return whole(self)
        index, bound = self.namespace.index, self.namespace.bound
        if type(self) not in (MacroContext, ModelContext):  # others note what is read of them
            context = of_context(self)
            context.makes(_flat(index), bound)
            return context
        self.config.load_dependencies()  # once a call; what dispatches macros leans on it
        context, members = self._ctx, MadeWhenAsked()
        members.makes(
            self._context_members_, lambda value: value.__get__(self) if hasattr(value, "__get__") else value
        )
        context.update(context=context, builtins=members)
        context.makes(
            _flat(index, type(self)),
            lambda item: members[item.name] if type(item) is _Member else bound(item),
        )
        return context

    setattr(MacroNamespaceBuilder, "build_namespace", build_namespace)  # noqa: B010
    setattr(ManifestContext, "_build_namespace", begin)  # noqa: B010
    setattr(ManifestContext, "to_dict", to_dict)  # noqa: B010


@dataclass(frozen=True)
class _Member:
    """What stands for a value of dbt's own."""

    name: str


def _flat(index: Any, kind: Any = None) -> dict[str, Any]:
    """Return all that is found by name: values of a kind of context, macros before them, packages by name."""
    flat = vars(index).setdefault("flat", {})
    if kind not in flat:
        flat[kind] = {name: _Member(name) for name in getattr(kind, "_context_members_", ())} | {
            name: name if isinstance(index[name], dict) else index[name] for name in index
        }
    return flat[kind]


def _ease_variables() -> None:
    from dbt.clients.jinja import _HAS_RENDER_CHARS_PAT  # pyright: ignore[reportPrivateUsage]
    from dbt.context.base import Var

    renders = Var.get_rendered_var

    def get_rendered_var(self: Any, var_name: str) -> Any:
        raw = self._merged[var_name]
        plain = isinstance(raw, str) and not _HAS_RENDER_CHARS_PAT.search(raw)
        return raw if plain else renders(self, var_name)  # which copies the context first

    setattr(Var, "get_rendered_var", get_rendered_var)  # noqa: B010


def _ease_templates() -> None:
    from dbt_common.clients.jinja import BaseMacroGenerator, MacroFuzzEnvironment, MacroFuzzTemplate
    from dbt_common.clients.jinja import NativeSandboxTemplate as Native
    from jinja2.runtime import Context
    from jinja2.utils import missing

    class Looking(Context):
        """What a text looks into: the context itself, and then what Jinja has for all."""

        def __init__(self, environment: Any, parent: Any, name: Any, blocks: Any) -> None:
            super().__init__(environment, parent, name, blocks)

        def resolve_or_missing(self, key: str) -> Any:
            if key in self.vars:
                return self.vars[key]
            if key in self.parent:
                return self.parent[key]
            return self.environment.globals.get(key, missing)

        def get_all(self) -> dict[str, Any]:
            return {**self.environment.globals, **self.parent, **self.vars}

    def looking(kind: Any) -> None:
        copies = kind.new_context

        def new_context(self: Any, vars: Any = None, shared: bool = False, locals: Any = None) -> Any:
            if shared or locals or not isinstance(vars, MadeWhenAsked):
                return copies(self, vars, shared, locals)
            return Looking(self.environment, vars, self.name, self.blocks)

        kind.new_context = new_context

    assert MacroFuzzEnvironment.template_class is MacroFuzzTemplate
    for kind in (MacroFuzzTemplate, Native):
        looking(kind)
    gets = BaseMacroGenerator.get_macro

    def get_macro(self: Any) -> Any:
        """Return the macro, which looks all that it calls up when it is called."""
        if not isinstance(self.context, MadeWhenAsked):
            return gets(self)
        if "sluice_macro" not in self.__dict__:
            self.sluice_macro = gets(self)
        return self.sluice_macro

    setattr(BaseMacroGenerator, "get_macro", get_macro)  # noqa: B010
