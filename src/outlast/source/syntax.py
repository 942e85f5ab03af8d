"""What source code says before anyone knows what its names mean: its pieces, and which functions may change state.

A file is cut into pieces, since to parse is one call that holds the interpreter's lock until it is over, and since most
of them need not be parsed at all: a regular expression sees that they change nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from itertools import pairwise

from outlast.source.parsing import parsed

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
NOBODY = ast.FunctionDef(
    name="", args=ast.arguments([], [], None, [], [], None, []), body=[], decorator_list=[], returns=None
)
"""Stands for the function that the statements of a module are in."""

# fmt: off
CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft",
    "insert", "intersection_update", "move_to_end", "pop", "popitem", "popleft", "put", "put_nowait", "remove",
    "reverse", "rotate", "set", "setdefault", "sort", "subtract", "symmetric_difference_update", "update",
})
# fmt: on
FORGETTING = frozenset({"cache_clear", "cache_close", "cache_invalidate"})
"""Methods of functions whose results are kept."""

_BY_NAME = frozenset(
    {
        *("delattr", "setattr", "__delattr__", "__setattr__", "delitem", "setitem", "shuffle"),
        *("heapify", "heappop", "heappush", "heappushpop", "heapreplace", "insort", "insort_left", "insort_right"),
    }
)
"""Functions that change what they are given first."""
_SETUP = frozenset({"asynccontextmanager", "contextmanager", "on_event"})
_APPS = frozenset({"FastAPI", "Starlette"})
_HOOKS = frozenset({"lifespan", "on_shutdown", "on_startup"})
_BESIDE = frozenset({"create_task", "ensure_future", "run_coroutine_threadsafe", "start_soon"})
_AT_THE_MARGIN = re.compile(r"^[^\s#)\]}]", re.MULTILINE)
_DEFINES = re.compile(r"(?:async\s+)?def\b|class\b")
_WORD = re.compile(r"\w+")
_CHANGES = CHANGING | FORGETTING | _BY_NAME | {"global", "del"}
_ASSIGNS_INSIDE = re.compile(  # behind an attribute or an item stands `=`, `+=`, or what else stands before a `=`
    r"[.\]]\s*\w*[\s)\]]*(?:(?:[-+*/%@&|^]|//|\*\*|<<|>>)?=(?!=)|[,:][^=]{0,300}=(?!=))"
)
_BINDS_INSIDE = re.compile(r"\b(?:for|as)\s+(?:(?!\bin\b)[\w\s,(*])*[.\[]")


@dataclass(frozen=True, slots=True)
class User:
    """Who uses a function: the outermost function around, None for what runs at import.

    is_call: it is called there and then, or named as what is to run when the app starts or stops.
    """

    function: FunctionNode | None
    is_call: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A definition at the top level of a file with its decorators, or the statements between two of those.

    `line` is how many lines stand before it in the file.
    """

    line: int
    text: str

    def tree(self) -> ast.Module:
        """Its syntax tree, with the lines of the file. Raises what the parser raises when it is no Python."""
        return parsed("\n" * self.line + self.text)

    def functions(self) -> dict[tuple[str, int], FunctionNode]:
        """Every function in it by its name and first line, which is that of its first decorator. Raises the same."""
        return functions_by_line(self.tree())

    def changing(self) -> tuple[FunctionNode, ...]:
        """Its functions and methods that may change what is not their own, but for set-up such as a lifespan.

        Raises the same.
        """
        return _changing_functions(self.tree()) if _may_change(self.text) else ()


def cuts(text: str) -> Iterator[tuple[int, int]]:
    """Where the pieces of a file begin: the position, and how many lines stand before.

    It is cut at lines that begin at the margin: before and after each definition there.
    """
    begin, line, kind = 0, 0, ""
    for match in _AT_THE_MARGIN.finditer(text):
        here = match.start()
        joined = _joined(kind, found := _kind(text, here))
        if joined or _is_in_a_string(text, begin, here):
            kind = joined or kind
            continue
        if here > begin:
            yield begin, line
        line += text.count("\n", begin, here)
        begin, kind = here, found
    yield begin, line


def statements_at_top(text: str) -> Iterator[str]:
    """The pieces of a file that are no definitions: what runs at its import, with all that is indented below it."""
    for begin, end in pairwise([*(begin for begin, _ in cuts(text)), len(text)]):
        if begin < end and _kind(text, begin) == "statement":
            yield text[begin:end]


def _kind(text: str, at: int) -> str:
    if text[at] == "@":
        return "decorator"
    return "definition" if _DEFINES.match(text, at) else "statement"


def _joined(before: str, found: str) -> str:
    """What a piece is with one more line at its margin; empty when that line begins another piece."""
    if before == "decorator" and found != "statement":
        return found
    return "statement" if before == found == "statement" else ""


def _is_in_a_string(text: str, begin: int, end: int) -> bool:
    return any(text.count(quotes, begin, end) % 2 for quotes in ('"""', "'''"))


def _may_change(text: str) -> bool:
    """True of each text with a function that changes something other than names of its own; of others, too."""
    words = set(_WORD.findall(text))
    if "def" not in words:
        return False
    if not words.isdisjoint(_CHANGES) or _ASSIGNS_INSIDE.search(text):
        return True
    return not words.isdisjoint({"for", "as"}) and bool(_BINDS_INSIDE.search(text))


def functions_by_line(tree: ast.AST) -> dict[tuple[str, int], FunctionNode]:
    """Every function below `tree` by its name and first line, which is that of its first decorator."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, FunctionNode))
    return {(node.name, _first_line(node)): node for node in nodes}


def _changing_functions(tree: ast.AST) -> tuple[FunctionNode, ...]:
    nodes = _outermost_functions(tree)
    return tuple(
        node for node in nodes if not _SETUP & set(map(called_name, node.decorator_list)) and _reaches_out(node)
    )


def called_at_import(tree: ast.AST) -> frozenset[str]:
    """The names that are called or decorated with when `tree` is imported."""
    return frozenset(filter(None, map(called_name, _calls_at_import(tree))))


def sets_up(function: FunctionNode) -> bool:
    """Whether it is a lifespan or the like, or makes the app."""
    if _SETUP & set(map(called_name, function.decorator_list)):
        return True
    return any(isinstance(node, ast.Call) and called_name(node) in _APPS for node in ast.walk(function))


def binds_anew(function: FunctionNode, name: str) -> bool:
    """Whether it may assign a global or attribute of that name."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and node.attr == name and not isinstance(node.ctx, ast.Load):
            return True
        if isinstance(node, ast.Global) and name in node.names:
            return True
        if isinstance(node, ast.Call) and called_name(node) in _BY_NAME:
            return True
    return False


def users_of(tree: ast.AST, name: str) -> Iterator[User]:
    """Who calls or names a function below `tree`, but for the function itself."""
    nodes = list(_with_outermost(tree, None))
    calls = [node for _, node in nodes if isinstance(node, ast.Call)]
    beside = {id(call.func) for call in _handed_over(calls)}
    at_once = {id(node) for call in calls for node in _called_at_once(call)} - beside
    for function, node in nodes:
        if _is_named(node, name) and (function is None or function.name != name):
            yield User(function, is_call=id(node) in at_once)


def _with_outermost(tree: ast.AST, function: FunctionNode | None) -> Iterator[tuple[FunctionNode | None, ast.AST]]:
    """All that is below `tree`, each with the outermost function around it."""
    for node in ast.iter_child_nodes(tree):
        yield function, node
        yield from _with_outermost(node, node if function is None and isinstance(node, FunctionNode) else function)


def _is_named(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Name):
        return node.id == name and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Attribute) and node.attr == name and isinstance(node.ctx, ast.Load)


def _called_at_once(call: ast.Call) -> Iterator[ast.expr]:
    """What a call calls, and what it names as called when the app starts or stops; not what goes on beside it."""
    yield call.func
    if called_name(call) == "add_event_handler":
        yield from call.args
    for keyword in call.keywords:
        if keyword.arg in _HOOKS:
            yield from (keyword.value, *getattr(keyword.value, "elts", ()))


def _handed_over(calls: Iterable[ast.Call]) -> Iterator[ast.Call]:
    """Calls whose result goes to what runs it beside the caller: `create_task(poll())`."""
    for call in calls:
        if called_name(call) in _BESIDE:
            yield from (one for one in call.args if isinstance(one, ast.Call))


def executed(nodes: Iterable[ast.AST]) -> list[ast.AST]:
    """What `exec("...")` and `eval("...")` run in a function, but for the names that they bind, which nobody sees."""
    calls = [
        one
        for one in nodes
        if isinstance(one, ast.Call) and ast.unparse(one.func) in ("exec", "eval") and len(one.args) == 1
    ]
    found: list[ast.AST] = []
    for call in calls:
        try:
            tree = parsed(ast.literal_eval(call.args[0]))
        except (SyntaxError, ValueError, TypeError):  # it is no literal, or no Python
            continue
        inside = [one for one in ast.walk(tree) if not (isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))]
        found += [ast.copy_location(one, call) for one in inside]
    return found


def bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a function binds anywhere in it."""
    for node in nodes:
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _bound_by_import(node)
        elif isinstance(node, (FunctionNode, ast.ClassDef, ast.ExceptHandler, ast.MatchAs)):
            yield node.name or ""


def _bound_by_import(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.asname or alias.name.partition(".")[0] for alias in node.names]


def assignments(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Target and value of each, as far as one belongs to one."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            yield node.target, node.value


def imported_names(nodes: Iterable[ast.AST], package: str) -> Iterator[tuple[str, str]]:
    """The bound and the full name of what the import statements among `nodes` of a module in `package` import."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield alias.asname or top, alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = _base_of(node, package)
            yield from ((alias.asname or alias.name, f"{base}.{alias.name}") for alias in node.names if base)


def _base_of(node: ast.ImportFrom, package: str) -> str:
    try:
        return resolve_name("." * node.level + (node.module or ""), package)
    except ImportError:  # a relative import outside of a package
        return ""


def _reaches_out(function: FunctionNode) -> bool:
    """Whether it changes something by a name that is not its own, as far as can be seen without what names mean."""
    nodes = [inner for statement in function.body for inner in ast.walk(statement)]
    rebound = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    imported = {
        name for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for name in _bound_by_import(node)
    }
    own = set(bound([*ast.walk(function.args), *nodes])) - rebound - imported - set(_other_names(nodes))
    return any(name not in own for node in nodes if (name := _changed_name(node, rebound)))


def _other_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Local names that may stand for what is not the function's own: `job = jobs[key]`, `store = get_store()`."""
    for target, given in assignments(nodes):
        value = given.value if isinstance(given, ast.Await) else given
        if isinstance(target, ast.Name) and isinstance(value, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
            yield target.id


def _changed_name(node: ast.AST, rebound: set[str]) -> str:
    """The name by which `node` changes something; empty if it changes nothing, or nothing that has a name."""
    if isinstance(node, ast.Call):
        return _changed_by_call(node)
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or isinstance(node.ctx, ast.Load):
        return ""
    if isinstance(node, ast.Name):
        return node.id if node.id in rebound else ""
    return leading_name(node)


def _changed_by_call(call: ast.Call) -> str:
    name = called_name(call)
    if name in _BY_NAME:
        return leading_name(call.args[0]) if call.args else ""
    return leading_name(call.func) if isinstance(call.func, ast.Attribute) and name in CHANGING | FORGETTING else ""


def leading_name(node: ast.expr) -> str:
    """The name that `a.b[c].d`, or `a().b`, begins with; empty for what begins with something else."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call, ast.Await)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _first_line(node: FunctionNode) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _outermost_functions(node: ast.AST) -> Iterator[FunctionNode]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield child
        else:
            yield from _outermost_functions(child)


def _calls_at_import(node: ast.AST) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            yield from child.decorator_list
            continue
        if isinstance(child, ast.ClassDef):
            yield from child.decorator_list
        if isinstance(child, ast.Call):
            yield child
        yield from _calls_at_import(child)


def called_name(node: ast.expr) -> str:
    """The last name of what is called: `register` in `registry.register("x")` and in `registry.register`."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
