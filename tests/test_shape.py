"""The shape of the code: small files, small functions, imports in one direction."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

from outlast.source.parsing import parsed

SOURCE = Path(__file__).parents[1] / "src" / "outlast"
FILES = sorted(SOURCE.rglob("*.py"))
MAP = (SOURCE.parents[1] / "CONTRIBUTING.md").read_text()
Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)

ROOMS = (
    # a module may import only what stands above it: web, runner and child know nothing of each other
    *(("text",), ("errors",), ("ids",), ("events",), ("system",), ("tasks",), ("settings",), ("wire",), ("watch",)),
    *(("source",), ("functions",), ("logs",), ("journal",), ("web", "runner", "child"), ("board",), ("app",)),
    *(("sequences",), ("status",), ("testing",), ("doctor",), ("demo",), ("cli",)),
)
LAYER = {room: layer for layer, rooms in enumerate(ROOMS) for room in rooms}
MOST_IN_ROOT = 8
MOST_METHODS, MOST_FIELDS = 15, 12
LARGE_CLASSES: dict[str, tuple[int, int]] = {
    # what a class may have that is not small enough yet
}


@cache
def functions() -> list[tuple[Path, Function]]:
    trees = ((file, parsed(file.read_text())) for file in FILES)
    return [(file, node) for file, tree in trees for node in ast.walk(tree) if isinstance(node, Function)]


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


def test_the_root_holds_few_files() -> None:
    assert len(list(SOURCE.glob("*.py"))) <= MOST_IN_ROOT


def test_imports_go_one_way() -> None:
    wrong = []
    for file in FILES:
        if file.parent == SOURCE and file.stem == "__init__":
            continue
        home = room_of(file)
        wrong += [
            f"{file.relative_to(SOURCE)} imports {one}"
            for one in imported_from_outlast(file)
            if (room := one.split(".")[0]) != home and LAYER[room] >= LAYER[home]
        ]
    assert not wrong


def test_no_modules_import_each_other() -> None:
    ways = {module_name(file): imported_from_outlast(file) for file in FILES}
    while ways:
        ends = {module for module, needed in ways.items() if not needed & (ways.keys() - {module})}
        assert ends, f"these import each other: {sorted(ways)}"
        ways = {module: needed for module, needed in ways.items() if module not in ends}


def test_the_map_names_every_room() -> None:
    assert sorted(re.findall(r"^\| `(\w+)(?:/|\.py)` \|", MAP, re.MULTILINE)) == sorted(LAYER)


def test_the_walks_lead_along_functions_that_are_there() -> None:
    steps = re.findall(r"^\d+\. `([\w/]+\.py)` `([\w.]+)`", MAP, re.MULTILINE)
    assert len(steps) == len(re.findall(r"^\d+\. ", MAP, re.MULTILINE)) > 0
    assert not [step for step in steps if step[1] not in names_defined_in(SOURCE / step[0])]


def names_defined_in(file: Path) -> set[str]:
    """Of functions and classes, and of methods with their class."""
    tree = parsed(file.read_text())
    top = [node for node in tree.body if isinstance(node, Function | ast.ClassDef)]
    inner = [(node, one) for node in top if isinstance(node, ast.ClassDef) for one in methods(node)]
    return {node.name for node in top} | {f"{node.name}.{one.name}" for node, one in inner}


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def module_name(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(file) for file in FILES}


def imported_from_outlast(file: Path) -> set[str]:
    """The modules of outlast that a module names: when it is imported, in a function, or for its types only."""
    found = set()
    for node in ast.walk(parsed(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "outlast":
            inside = node.module.partition(".")[2]
            for alias in node.names:
                whole = f"{inside}.{alias.name}".lstrip(".")
                found.add(whole if whole in MODULES else inside)
    return found - {""}


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for file in FILES:
        for node in ast.walk(parsed(file.read_text())):
            if isinstance(node, ast.ClassDef):
                yield f"{module_name(file)}.{node.name}", node


def test_classes_have_few_methods_and_fields() -> None:
    found = {name: (len(methods(node)), 0 if is_record(node) else len(fields(node))) for name, node in classes()}
    most = {name: LARGE_CLASSES.get(name, (MOST_METHODS, MOST_FIELDS)) for name in found}
    assert not {name: has for name, has in found.items() if has[0] > most[name][0] or has[1] > most[name][1]}
    assert LARGE_CLASSES.keys() <= found.keys()


def methods(node: ast.ClassDef) -> list[Function]:
    """Without what is there for type checkers only."""
    defined = [one for one in node.body if isinstance(one, Function)]
    return [one for one in defined if "overload" not in map(ast.unparse, one.decorator_list)]


def is_record(node: ast.ClassDef) -> bool:
    """Whether it is no more than its fields: frozen, a tuple with names, or a type of a dictionary."""
    frozen = {ast.unparse(one) for one in node.decorator_list if "frozen=True" in ast.unparse(one)}
    return bool(frozen) or any(ast.unparse(base) in ("NamedTuple", "TypedDict") for base in node.bases)


def fields(node: ast.ClassDef) -> set[str]:
    declared = {
        one.target.id for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
    }
    return declared | {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store) and is_self(one.value)
    }


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def test_only_apsw_opens_the_journal() -> None:
    assert not [file for file in FILES if "sqlite3" in imported_modules(file)]


def test_only_one_place_names_an_engine() -> None:
    inside = {"SqliteJournal", "SqliteHistory", "SqliteSurvey"}
    named = {file.relative_to(SOURCE).as_posix() for file in FILES if inside & names_in(file)}
    assert {one for one in named if not one.startswith("journal/sqlite/")} == {"journal/engines.py"}


def test_only_the_journal_room_knows_what_is_inside_an_engine() -> None:
    outside = [file for file in FILES if room_of(file) != "journal"]
    assert not [
        file for file in outside if any(one.startswith("journal.sqlite") for one in imported_from_outlast(file))
    ]


def names_in(file: Path) -> set[str]:
    return {node.id for node in ast.walk(parsed(file.read_text())) if isinstance(node, ast.Name)}


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


def test_only_events_are_logged() -> None:
    levels = {"debug", "info", "warning", "error", "exception", "critical"}
    assert not [
        where_called(file, node)
        for file in FILES
        for node in ast.walk(parsed(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"log.{level}" for level in levels}
    ]


def test_the_runner_imports_no_web_framework() -> None:
    """It has to stay small, and nothing in it may run user code."""
    import subprocess
    import sys

    program = "import sys, outlast.runner.start; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "starlette", "pydantic", "asyncio", "click", "rich"} & set(loaded)
