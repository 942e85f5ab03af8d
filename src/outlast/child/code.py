"""The user's code in a child: import it as the web worker has it, and notice when its files change."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import runpy
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from outlast.child.printed import hear_records
from outlast.errors import OutlastError, TargetNotFound
from outlast.events.waits import not_found
from outlast.functions.encoding import Codec
from outlast.functions.functions import code_hash, is_async
from outlast.functions.names import resolve_task
from outlast.functions.results import Results
from outlast.logs.server import begin_server_log
from outlast.logs.setup import Follower
from outlast.system.process import MAIN_NAME
from outlast.tasks.outcome import RETURNED, Returned
from outlast.text import in_one_line, traceback_of
from outlast.wire.hello import Environment

Function = Callable[..., Any]


class NotKnown(Exception):
    """The code that is here does not know a task: it has no such function, or that takes other arguments."""

    def __init__(self, why: str, traceback: str = "") -> None:
        super().__init__(why)
        self.traceback = traceback


class ImportedCode:
    """What this process has imported since it started.

    is_new: whether no other task process of the runner has imported it as it is now.
    """

    context: Context
    """As it was left by the import."""

    def __init__(self) -> None:
        self.is_new = True
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
        if not environment.declares:  # a worker has no server beside it, and is where the import went
            with suppress(OSError):  # it is gone
                os.chdir(environment.folder)  # where the server is: from there the import went on to one below
        self.follow_logging()
        hear_records()
        self.has_changed()
        self._is_loaded = True
        return self._app

    def follow_logging(self) -> None:
        """Some of the app's own code has run: have again what the server has."""
        self.logging.finish()
        begin_server_log()

    def has_changed(self) -> bool:
        """Whether a file that was imported is no longer what it was when it was imported."""
        changed = False
        for file, modified in _files_of_modules():
            known = self._seen.setdefault(file, modified)
            changed = changed or modified != known or modified > self._started_at
        return changed


@dataclass(frozen=True)
class Found:
    """A function, and what belongs to it. `way` leads to it: its module, and a name after the other."""

    function: Function
    codec: Codec
    is_async: bool
    way: tuple[str, ...]

    @classmethod
    def at(cls, path: str, function: Function) -> Found:
        """Made once; a codec takes a millisecond."""
        module, _, qualname = path.partition(":")
        return cls(function, Codec(function), is_async(function), (module, *qualname.split(".")))

    @cached_property
    def results(self) -> Results:
        """How what it returns is written: made when the first one is to be."""
        return Results(self.function)

    @property
    def is_there(self) -> bool:
        """Whether its name still means it: nobody has put another function in its place. Imports nothing."""
        module, *names = self.way
        here: Any = sys.modules.get(module)
        for name in names:
            here = getattr(here, name, None)
        return here is self.function or bool(here == self.function)  # a method is bound anew each time, and equal


Call = tuple[Found, tuple[Any, ...], dict[str, Any]]


class FoundFunctions:
    """The functions of tasks, found by their paths. max_result: bytes that are kept of what one returns."""

    def __init__(self) -> None:
        self.max_result = 0
        self._known: dict[str, Found] = {}

    def prepared(self, path: str, arguments: str) -> Call:
        """The function at `module:qualname` and what it is called with. Raises NotKnown where that cannot be had.

        Whatever user code raises meanwhile, at import or in a validator, is the fault of the code and not of the task.
        """
        try:
            found = self._find(path)
            return found, *found.codec.decode(arguments)
        except MemoryError:
            raise
        except OutlastError as error:
            raise NotKnown(str(error)) from error
        except (Exception, SystemExit) as error:
            raise NotKnown(not_found(path, in_one_line(error)), traceback_of(error)) from error

    def returned(self, found: Found, value: object) -> Returned:
        """What is told of one that has returned `value`."""
        return RETURNED if value is None else found.results.kept(value, self.max_result)

    def why_unknown(self, path: str, arguments: str) -> str:
        """Why `prepared` would raise; empty if it would not."""
        try:
            self.prepared(path, arguments)
        except (NotKnown, MemoryError) as error:
            return str(error) or "MemoryError"
        return ""

    def _find(self, path: str) -> Found:
        known = self._known.get(path)
        if known is None or not known.is_there:
            known = self._known[path] = Found.at(path, resolve_task(path))
        return known

    def code_of(self, path: str) -> str:
        """The hash of the code of a function that was found; empty for another one."""
        known = self._known.get(path)
        return code_hash(known.function) if known is not None else ""


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
        with suppress(OSError):  # gone, or inside of an archive
            found += [(file, Path(file).stat().st_mtime_ns)] if file is not None else []
    return found
