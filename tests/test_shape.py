"""The shape of the code: small files, small functions, imports in one direction."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

from outlast.syntax import parsed

SOURCE = Path(__file__).parents[1] / "src" / "outlast"
FILES = sorted(SOURCE.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

LAYERS = {
    # a module may import only what stands above it; request, web and cli do not import each other
    "words": [
        *("text", "errors", "tasks", "terms", "events", "settings", "process", "kernel", "frames", "orders", "attempt"),
        *("incidents", "forks", "threads", "hindrances", "endings", "last_words", "surroundings", "packages"),
        *("place", "ownership", "peers", "waits", "callbacks", "deployments", "links"),
    ],
    "evidence": [
        *("program", "outcome", "blame", "liveness", "hello", "handover", "discovery", "identity", "watch", "logs"),
        *("values", "kinds", "marks", "syntax", "sources", "names", "callables", "refusals", "encoding"),
    ],
    "functions": [
        *("belongings", "meanings", "tracing", "bodies", "globals", "setting_up", "module_state", "startup"),
        *("receivers", "reading", "functions", "context"),
    ],
    "engines": ["engines"],
    "processes": ["connection", "runner", "child"],
    "doorway": ["request"],
    "app": ["web_watch", "resume", "farewell", "service", "app", "testing"],
    "doctor": ["doctor"],
    "cli": ["cli"],
}
ORDER = list(LAYERS)


def functions() -> Iterator[tuple[Path, Function]]:
    for file in FILES:
        for node in ast.walk(parsed(file.read_text())):
            if isinstance(node, Function):
                yield file, node


def length(node: Function) -> int:
    """Lines of the body, without the docstring."""
    has_docstring = ast.get_docstring(node) is not None
    first = node.body[1 if has_docstring and len(node.body) > 1 else 0]
    return (node.end_lineno or 0) - first.lineno + 1


def depth(node: ast.AST) -> int:
    below = max((depth(child) for child in ast.iter_child_nodes(node)), default=0)
    is_elif = isinstance(node, ast.If) and getattr(node, "is_elif", False)
    return below + (isinstance(node, BLOCKS) and not is_elif)


def mark_elifs(tree: ast.AST) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If):
            node.orelse[0].is_elif = True  # type: ignore[attr-defined]


def where(file: Path, node: Function) -> str:
    return f"{file.relative_to(SOURCE)}:{node.lineno} {node.name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_file_is_one_concern(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400


def test_functions_are_sentences() -> None:
    lengths = [length(node) for _, node in functions()]
    too_long = [where(file, node) for file, node in functions() if length(node) > 40]
    assert not too_long
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 20


def test_nothing_is_nested_deeper_than_three() -> None:
    deep = []
    for file, node in functions():
        mark_elifs(node)
        if depth(node) > 3:
            deep.append(where(file, node))
    assert not deep


def test_functions_take_at_most_six_parameters() -> None:
    assert not [where(file, node) for file, node in functions() if len(parameters(node)) > 6]


def parameters(node: Function) -> list[ast.arg]:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [one for one in given if one.arg not in ("self", "cls")]


def test_imports_go_one_way() -> None:
    known = {name: layer for layer, names in LAYERS.items() for name in names}
    wrong = []
    for file in FILES:
        home = file.relative_to(SOURCE).with_suffix("").parts[0]
        if home == "__init__":
            continue
        for imported in imports_at_the_top(file):
            if ORDER.index(known[imported]) > ORDER.index(known[home]):
                wrong.append(f"{file.relative_to(SOURCE)} imports {imported}")
    assert not wrong


def imports_at_the_top(file: Path) -> Iterator[str]:
    """Parts of outlast that a module imports when it is imported; under TYPE_CHECKING is not then."""
    for node in parsed(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "outlast":
            names = node.module.split(".")[1:2] or [alias.name for alias in node.names]
            yield from names


def test_only_apsw_opens_the_journal() -> None:
    assert not [file for file in FILES if "sqlite3" in imported_modules(file)]


def test_nothing_is_pickled_or_evaluated() -> None:
    assert not [file for file in FILES if {"pickle", "marshal", "shelve", "dill"} & imported_modules(file)]
    called = {
        where_called(file, node): node.func.id
        for file in FILES
        for node in ast.walk(parsed(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not {"eval", "exec"} & set(called.values())


def where_called(file: Path, node: ast.Call) -> str:
    return f"{file}:{node.lineno}:{node.col_offset}"


def imported_modules(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_the_runner_imports_no_web_framework() -> None:
    """It has to stay small, and nothing in it may run user code."""
    import subprocess
    import sys

    program = "import sys, outlast.runner.start; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "starlette", "pydantic", "asyncio", "click", "rich"} & set(loaded)
