"""What source code says before anyone knows what its names mean: its pieces, and which functions may change state.

A file is cut into pieces, since to parse is one call that holds the interpreter's lock until it is over, and since most
of them need not be parsed at all: a regular expression sees that they change nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

# fmt: off
CHANGING = frozenset({
    "add", "append", "appendleft", "clear", "difference_update", "discard", "extend", "extendleft",
    "insert", "intersection_update", "pop", "popitem", "popleft", "put", "put_nowait", "remove", "reverse",
    "rotate", "set", "setdefault", "sort", "subtract", "symmetric_difference_update", "update",
})
# fmt: on
_SETUP = frozenset({"asynccontextmanager", "contextmanager", "on_event"})
_AT_THE_MARGIN = re.compile(r"^[^\s#)\]}]", re.MULTILINE)
_DEFINES = re.compile(r"(?:async\s+)?def\b|class\b")
_WORD = re.compile(r"\w+")
_CHANGES = CHANGING | {"global", "del"}
_ASSIGNS_INSIDE = re.compile(  # behind an attribute or an item stands `=`, `+=`, or what else stands before a `=`
    r"[.\]]\s*\w*[\s)\]]*(?:(?:[-+*/%@&|^]|//|\*\*|<<|>>)?=(?!=)|[,:][^=]{0,300}=(?!=))"
)
_BINDS_INSIDE = re.compile(r"\b(?:for|as)\s+(?:(?!\bin\b)[\w\s,(*])*[.\[]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A definition at the top level of a file with its decorators, or the statements between two of those.

    `line` is how many lines stand before it in the file. Its methods raise what the parser raises when it is no Python.
    """

    line: int
    text: str

    def functions(self) -> dict[tuple[str, int], FunctionNode]:
        """Every function in it by its name and first line, which is that of its first decorator."""
        return functions_by_line(self._parsed())

    def changing(self) -> tuple[FunctionNode, ...]:
        """Its functions and methods that may change what is not their own, but for set-up such as a lifespan."""
        return changing_functions(self._parsed()) if _may_change(self.text) else ()

    def called_at_import(self) -> frozenset[str]:
        """The names that it calls or decorates with at its import, such as a registry's `register`."""
        return called_at_import(self._parsed())

    def _parsed(self) -> ast.Module:
        """With the lines of the file."""
        return ast.parse("\n" * self.line + self.text)


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


def changing_functions(tree: ast.AST) -> tuple[FunctionNode, ...]:
    """The functions and methods that may change what is not their own, but for set-up such as a lifespan."""
    nodes = _outermost_functions(tree)
    return tuple(node for node in nodes if not _SETUP & set(map(_called, node.decorator_list)) and _reaches_out(node))


def called_at_import(tree: ast.AST) -> frozenset[str]:
    """The names that are called or decorated with when `tree` is imported."""
    return frozenset(filter(None, map(_called, _calls_at_import(tree))))


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


def _reaches_out(function: FunctionNode) -> bool:
    """Whether it changes something by a name that is not its own, as far as can be seen without what names mean."""
    nodes = [inner for statement in function.body for inner in ast.walk(statement)]
    rebound = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    imported = {
        name for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for name in _bound_by_import(node)
    }
    own = set(bound([*ast.walk(function.args), *nodes])) - rebound - imported
    return any(name not in own for node in nodes if (name := _changed_name(node, rebound)))


def _changed_name(node: ast.AST, rebound: set[str]) -> str:
    """The name by which `node` changes something; empty if it changes nothing, or nothing that has a name."""
    if isinstance(node, ast.Call):
        is_change = isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING
        return first_name(node.func) if is_change else ""
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript)) or isinstance(node.ctx, ast.Load):
        return ""
    if isinstance(node, ast.Name):
        return node.id if node.id in rebound else ""
    return first_name(node)


def first_name(node: ast.expr) -> str:
    """The name that `a.b[c].d` begins with; empty for what begins with something else."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
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


def _called(node: ast.expr) -> str:
    """The last name of what is called: `register` in `registry.register("x")` and in `registry.register`."""
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
