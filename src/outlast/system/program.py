"""The program of this process, its module `__main__`: under which name others can import it, and whether they may."""

from __future__ import annotations

import ast
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_stack
from types import FrameType, ModuleType

from outlast.system.process import MAIN_NAME, this

NAMES = ("__main__", "__mp_main__")  # the other one in processes of multiprocessing


def main_file() -> str:
    """The file of the program; empty for one that has none, as in an interactive session, and for a server's own."""
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None) or getattr(getattr(main, "__loader__", None), "path", None)  # at its end
    return str(Path(file).absolute()) if isinstance(file, str) and file.endswith(".py") else ""


def real_name() -> str:
    """The name under which another process can import it; empty if it cannot. Nothing is imported for that."""
    spec, file = getattr(sys.modules.get("__main__"), "__spec__", None), main_file()
    if spec is not None:  # python -m package.module
        return str(spec.name) if spec.name not in NAMES and _origin_of(spec.name) else ""
    name = Path(file).stem
    return name if file and _origin_of(name) == file else ""


def name_elsewhere(module: str) -> str:
    """By which other processes know a module of this one: the program by the name under which they can import it."""
    return (real_name() or NAMES[0]) if module in (*NAMES, MAIN_NAME) else module


def _origin_of(name: str) -> str:
    """The file that an import of `name` would run."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return ""
    return str(Path(spec.origin).absolute()) if spec is not None and spec.origin else ""


def file_to_run() -> str:
    """The file of a program that others have to run to have its functions, as they cannot import it; else empty."""
    return "" if real_name() or unguarded_line() else main_file()


def unguarded_line() -> int:
    """The line at which the program asks for tasks, if whoever imports it would come there, too; 0 if not.

    That is so unless it stands in an `if` that asks for `__name__`: all would be done a second time. To be called while
    it asks; what was found once stays.
    """
    this.unguarded_line = this.unguarded_line or _line_now()
    return this.unguarded_line


def look_into_main_file() -> None:
    """Read what `unguarded_line` has to know, so that no event loop waits for the file later."""
    if file := main_file():
        _guards(file)


def _line_now() -> int:
    main = sys.modules.get("__main__")
    innermost = sys._current_frames().get(threading.main_thread().ident or 0)
    lines = [line for frame, line in walk_stack(innermost) if _is_top_of(frame, main)]
    file = main_file()
    if not file or not lines or any(lines[-1] in guard for guard in _guards(file)):
        return 0
    return lines[-1]


def _is_top_of(frame: FrameType, module: ModuleType | None) -> bool:
    return frame.f_code.co_name == "<module>" and module is not None and frame.f_globals is vars(module)


@cache
def _guards(file: str) -> tuple[range, ...]:
    """The lines of a file that are not run when it is imported, or not for sure."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()
    guards = (node for node in ast.walk(tree) if isinstance(node, ast.If) and _asks_for_its_name(node.test))
    return tuple(range(node.lineno, (node.end_lineno or node.lineno) + 1) for node in guards)


def _asks_for_its_name(test: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(test))
