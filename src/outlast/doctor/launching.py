"""What a program of the project sets up before it starts the server itself, which task processes do not repeat."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from outlast.doctor.findings import Code, Finding, note
from outlast.source.syntax import FunctionNode, bound, called_name, leading_name

EMPTY = ast.Module([], [])
_SERVES = re.compile(r"\b(?:uvicorn\.(?:run|Server)|hypercorn\.\w+|granian\.\w+|Granian|serve)\(")
_SETS = re.compile(r"init|append|update|add|configure|set(?:default\w+|recursionlimit|_\w+)")
_FOLLOWED = re.compile(r"os\.environ|os\.putenv|log(?:ger|ging)?\b|sys\.argv|sys\.path")
"""What task processes are given, or that is told of elsewhere."""


def launching_notes(folder: Path) -> Iterator[Finding]:
    """About the lines under `__main__`, and in functions that are called there, before a program starts a server."""
    for file in sorted(folder.glob("*.py")):
        for statements in _launchers(_tree(file)):
            for line, text in _set_up(statements):
                sentence = f"`{text}`, before the server starts, is not done in task processes"
                remedy = "do it where the app's module is imported or in the lifespan, or tell it by a variable"
                yield note(Code.SET_UP_APART, (str(file), line), sentence, remedy)


def _tree(file: Path) -> ast.Module:
    """Empty where it starts no server, or is no Python."""
    with suppress(OSError, SyntaxError, ValueError):
        text = file.read_bytes()
        return ast.parse(text) if b"__main__" in text and _SERVES.search(text.decode(errors="replace")) else EMPTY
    return EMPTY


def _launchers(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    guarded = [one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test).startswith("__name__ ==")]
    called = {called_name(node) for one in guarded for node in ast.walk(one) if isinstance(node, ast.Call)}
    functions = [one for one in tree.body if isinstance(one, FunctionNode) and one.name in called]
    yield from (one.body for one in (*guarded, *functions) if _SERVES.search(ast.unparse(one)))


def _set_up(statements: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    own = set(bound(node for one in statements for node in ast.walk(one) if isinstance(node, ast.Name)))
    for statement in statements:
        text = ast.unparse(statement)
        if _SERVES.search(text):
            return
        name = leading_name(_changed(statement))
        if name and name not in own and not _FOLLOWED.match(text):
            yield statement.lineno, text.partition("\n")[0][:80]


def _changed(statement: ast.stmt) -> ast.expr:
    """What a statement sets, or whose method it calls to do so; a constant where it does neither."""
    if isinstance(statement, (ast.Assign, ast.AugAssign)):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
        return target if isinstance(target, (ast.Attribute, ast.Subscript)) else ast.Constant("")
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        called = statement.value.func
        return called if isinstance(called, ast.Attribute) and _SETS.fullmatch(called.attr) else ast.Constant("")
    return ast.Constant("")
