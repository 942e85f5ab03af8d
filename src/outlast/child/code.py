"""The user's code in a child: import it as the web worker has it, and notice when its files change."""

from __future__ import annotations

import ast
import importlib
import inspect
import runpy
import sys
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from pathlib import Path
from types import ModuleType
from typing import Any

from outlast.child import sentences
from outlast.child.contexts import Contexts
from outlast.encoding import Codec
from outlast.errors import OutlastError, TargetNotFound
from outlast.functions import code_hash
from outlast.hello import Environment
from outlast.logs.server import begin_server_log
from outlast.logs.setup import Follower
from outlast.names import resolve
from outlast.process import MAIN_NAME
from outlast.text import in_one_line, traceback_of

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class NotKnown(Exception):
    """The code that is here does not know a task: it has no such function, or that takes other arguments."""

    def __init__(self, why: str, traceback: str = "") -> None:
        super().__init__(why)
        self.traceback = traceback


class ImportedCode:
    """What this process has imported since it started."""

    context: Context
    """As it was left by the import."""

    def __init__(self) -> None:
        self._started_at = time.time_ns()
        self._seen: dict[str, int] = {}
        self._app: Any = None
        self._is_loaded = False
        self.logging = Follower({})

    def load(self, environment: Environment) -> Any:
        """Import what holds the tasks' functions, once; returns the app, None when there is none.

        Raises whatever the user's code raises, and TargetNotFound.
        """
        if self._is_loaded:
            return self._app
        self.logging = Follower(environment.logging)
        self.logging.begin()
        if environment.main:
            import_main(environment.main)
        self._app = import_app(environment.app) if environment.app else None
        self.context = copy_context()
        self.logging.finish()
        begin_server_log()
        self.has_changed()
        self._is_loaded = True
        return self._app

    def has_changed(self) -> bool:
        """Whether a file that was imported is no longer what it was when it was imported."""
        changed = False
        for file, modified in _files_of_modules():
            known = self._seen.setdefault(file, modified)
            changed = changed or modified != known or modified > self._started_at
        return changed


class FoundFunctions:
    """The functions of tasks, found by their paths, and their `contexts`; what belongs to them is built once."""

    def __init__(self, contexts: Contexts) -> None:
        self.contexts = contexts
        self._codecs: dict[str, tuple[Callable[..., Any], Codec]] = {}

    def prepared(self, path: str, arguments: str) -> Call:
        """The function at `module:qualname` and what it is called with. Raises NotKnown where that cannot be had.

        Whatever user code raises meanwhile, at import or in a validator, is the fault of the code and not of the task.
        """
        try:
            function, codec = self.find(path)
            return function, *codec.decode(arguments)
        except MemoryError:
            raise
        except OutlastError as error:
            raise NotKnown(str(error)) from error
        except (Exception, SystemExit) as error:
            raise NotKnown(sentences.not_found(path, in_one_line(error)), traceback_of(error)) from error

    def why_unknown(self, path: str, arguments: str) -> str:
        """Why `prepared` would raise; empty if it would not."""
        try:
            self.prepared(path, arguments)
        except (NotKnown, MemoryError) as error:
            return str(error) or "MemoryError"
        return ""

    def find(self, path: str) -> tuple[Callable[..., Any], Codec]:
        """The function at `module:qualname` and the reader of its arguments. Raises TargetNotFound."""
        function = resolve(path)
        known = self._codecs.get(path)
        if known is None or known[0] != function:  # a method is bound anew each time, and equal
            known = self._codecs[path] = (function, Codec(function))
        return known

    def code_of(self, path: str) -> str:
        """The hash of the code of a function that was found; empty for another one."""
        known = self._codecs.get(path)
        return code_hash(known[0]) if known is not None else ""


def import_app(target: str) -> Any:
    """The app that `module:name` or `module:name(literals)` names; a factory is called. Raises TargetNotFound."""
    module_name, _, expression = target.partition(":")
    module = importlib.import_module(module_name)
    name, arguments, keywords = _parse(expression or "application", target)
    found: Any = module
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise TargetNotFound(f"module {module_name!r} has no {name!r}: the app was given as {target!r}") from None
    if arguments is None and not is_factory(found):
        return found
    return found(*(arguments or ()), **keywords)


def is_factory(thing: object) -> bool:
    """Whether it makes an app and is none: it can be called without arguments, as uvicorn finds out, too."""
    try:
        inspect.signature(thing).bind()  # type: ignore[arg-type]
    except (TypeError, ValueError):  # an app takes three, or two; or it cannot be called
        return False
    return True


def import_main(path: str) -> None:
    """Run the program at `path` under another name, and let `__main__` be it, as multiprocessing does."""
    module = ModuleType(MAIN_NAME)
    module.__dict__.update(runpy.run_path(path, run_name=MAIN_NAME))
    sys.modules["__main__"] = sys.modules[MAIN_NAME] = module


def _parse(expression: str, target: str) -> tuple[str, list[Any] | None, dict[str, Any]]:
    """Name and literal arguments; None for the arguments when nothing is called."""
    try:
        parsed = ast.parse(expression, mode="eval").body
        if not isinstance(parsed, ast.Call):
            return expression, None, {}
        arguments = [ast.literal_eval(one) for one in parsed.args]
        keywords = {one.arg: ast.literal_eval(one.value) for one in parsed.keywords if one.arg}
        return ast.unparse(parsed.func), arguments, keywords
    except (SyntaxError, ValueError):
        raise TargetNotFound(f"{target!r} is neither module:name nor module:name(literals)") from None


def _files_of_modules() -> list[tuple[str, int]]:
    """Source file and modification time (ns) of each imported module."""
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is None:
            continue
        try:
            found.append((file, Path(file).stat().st_mtime_ns))
        except OSError:  # gone, or inside of an archive
            continue
    return found
