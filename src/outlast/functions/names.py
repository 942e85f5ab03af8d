"""What can be called, to `module:qualname` and back."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePath
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any, TypeGuard

from outlast.errors import NotStorable, TargetNotFound
from outlast.events.waits import not_guarded
from outlast.source.sources import Sources
from outlast.system.program import NAMES, main_file, name_elsewhere, real_name, unguarded_line
from outlast.tasks.task import Call
from outlast.text import LONGEST_PATH, MOST_NAME, is_a, name_of_class, one_line, said_by

Function = Callable[..., Any]

_MODULE_LEVEL = "move it to the top level of a module"
IS_PARTIAL = "cannot be stored: pass the function itself, and the arguments beside it"
IS_LAMBDA = "has no name that other processes could find: write it as a function of a module"
IS_LOCAL = f"is inside another function, where other processes cannot find it: {_MODULE_LEVEL}"
_IS_HIDDEN = (
    "has lost its name to a decorator: let that put @functools.wraps(function) on the function that it makes, "
    "so that other processes find it"
)
_IS_HELD_BY_NOBODY = (
    "is an object that can be called, and no module of the project holds it under a name: "
    "make it at the top level of a module, or pass a function of a module that calls it"
)
_PLAIN = (str, bytes, int, float, bool, type(None), ModuleType)


class Held:
    """The objects that the modules of the project hold under a name at their top level.

    Each module is looked at once, when it is imported: what its global is bound to later, when it is first used, is not
    there when another process has only imported the module.
    """

    def __init__(self, sources: Sources | None = None) -> None:
        self._sources = sources or Sources()
        self._imported = 0
        self._sizes: dict[ModuleType, int] = {}  # in names: one may be seen while it is being imported
        self._holders: dict[int, ModuleType] = {}  # by the identity of what it holds

    def path_to(self, thing: object) -> str:
        """`module:name` of an object; empty where no module holds it."""
        self.look()
        first = self._holders.get(id(thing))
        if first is None:
            return ""
        elsewhere = (_path_in(module, thing) for module in list(self._sizes))
        return _path_in(first, thing) or next(filter(None, elsewhere), "")  # its identity was another thing's before

    def instances_of(self, cls: type) -> Iterator[Any]:
        """The objects of exactly that class that modules hold."""
        modules = self._sources.own_modules()
        found = {id(one): one for module in modules for one in list(vars(module).values()) if type(one) is cls}
        yield from found.values()

    def look(self) -> None:
        """Look at the modules that were imported since the last time. From any thread."""
        imported = len(sys.modules)
        if imported == self._imported:
            return
        for module in self._sources.own_modules():
            if self._sizes.get(module) != len(vars(module)):
                self._sources.rest()
                self._look_at(module)
        self._imported = imported

    def _look_at(self, module: ModuleType) -> None:
        things = list(vars(module).values())
        for thing in things:
            if not is_a(thing, _PLAIN):
                self._holders.setdefault(id(thing), module)
        self._sizes[module] = len(things)


def _path_in(module: ModuleType, thing: object) -> str:
    names = (name for name, one in list(vars(module).items()) if one is thing)
    return next((f"{name_elsewhere(module.__name__)}:{name}" for name in names), "")


def path_of(function: Function, held: Held | None = None) -> str:
    """The `module:qualname` under which other processes find `function`.

    `held` finds objects that have no name themselves: those whose bound method it is, or that can be called.
    Raises NotStorable, with what to do instead, when there is no such name or it leads to something else.
    """
    reason = _unnamed(function)
    if reason:
        raise NotStorable(f"{shown(function)} {reason}")
    held = held or Held()
    owner = owner_of(function)
    if owner is not None:
        return _path_of_method(function, owner, held)
    if getattr(function, "__qualname__", None) is None or getattr(function, "__module__", None) is None:
        return _path_of_object(function, held)
    return _path_of_function(function, held)


def resolve(path: str) -> Function:
    """The function that `path`, `module:qualname`, names. Its module is imported; nothing is evaluated.

    Raises TargetNotFound when there is no such module, no such name in it, or it cannot be called. What the
    module itself raises while it is imported passes through, if it is not an ImportError.
    """
    module_name, _, qualname = path.partition(":")
    if not module_name or not qualname:
        raise TargetNotFound(f"{path!r} is not the path of a function: it has to be `module:name`")
    if "<" in qualname:
        raise TargetNotFound(f"{path} cannot be imported, since it is a lambda or inside a function")
    found: Any = _imported(module_name, path)
    for name in qualname.split("."):
        if not hasattr(found, name):
            raise TargetNotFound(f"{path} does not exist: {shown(found)} has no {name!r}; was it renamed or moved?")
        found = getattr(found, name)
    if not callable(found):
        raise TargetNotFound(f"{path} is {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]


def resolve_task(path: str) -> Function:
    """The same, for what is to be called as a task. Raises TargetNotFound also for what would run nothing then."""
    function = resolve(path)
    nothing = runs_nothing(function)
    if nothing:
        raise TargetNotFound(f"{path} {nothing}")
    return function


def as_decorated(function: Function) -> Function:
    """The function that another decorator has made of this one and put in its place; itself if none has.

    That took along all its attributes, as functools.wraps does, so that what is called by these is meant of the other.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    found: Any = module
    for name in str(getattr(function, "__qualname__", "")).split("."):
        found = getattr(found, name, None)
    is_around = found is not function and callable(found) and _is_made_of(found, function)
    return function if not is_around or any(one is function for one in vars(module).values()) else found


def _is_made_of(outer: Function, function: Function) -> bool:
    try:
        return inspect.unwrap(outer, stop=lambda one: one is function) is function
    except ValueError:  # it goes round in a circle
        return False


def owner_of(function: object) -> object | None:
    """The object whose bound method `function` is; None for other functions, and for methods of classes."""
    owner = function.__self__ if is_bound(function) else None
    return None if isinstance(owner, type) else owner


def is_bound(function: object) -> TypeGuard[MethodType | BuiltinMethodType]:
    """Whether it is a method of an object or a class, which is made anew each time it is named."""
    return isinstance(function, (MethodType, BuiltinMethodType)) and not isinstance(function.__self__, ModuleType)


def runs(function: Function) -> Function:
    """The function with code that a call of `function` runs: the `__call__` of an object that has no name itself."""
    if getattr(function, "__qualname__", None) is not None:
        return function
    return function.__call__  # type: ignore[no-any-return,operator]


def is_bound_to(cls: str) -> str:
    """Why a method of an instance of the class with this name cannot be stored."""
    return (
        f"belongs to an instance of {cls} that no module of the project holds under a name: make that at the top level "
        "of a module, or pass a function of a module, and what it needs to make that object"
    )


def _of_a_path(function: Function) -> str:
    """Why a method of a path cannot be stored: the path could, were it an argument."""
    return f"is bound to a path, which travels as an argument only: write add_task({function.__qualname__}, path, ...)"


def was_called(name: str) -> str:
    """Why the coroutine of an `async def` cannot be stored."""
    return f"was called where it is added, so it is a coroutine by now: write add_task({name}, ...), not {name}(...)"


def is_in_program(path: str) -> bool:
    """Whether `module:name` is in the program of this process."""
    return path.partition(":")[0] in (*NAMES, real_name())


def why_not_imported() -> str:
    """Why no other process may or can import the program of this one; empty if it can."""
    if not main_file():
        return (
            "" if real_name() else f"is in a program without a file, where no other process finds it: {_MODULE_LEVEL}"
        )
    line = unguarded_line()
    return not_guarded(Path(main_file()).name, line) if line else ""


def runs_nothing(function: Function) -> str:
    """Why a call of `function` would run nothing of it; empty for all but generator functions."""
    called = inspect.getattr_static(type(function), "__call__", None)
    is_one = any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in (function, called))
    if not is_one:
        return ""
    return (
        "is a generator function: a call of it runs nothing until somebody iterates over what it gives, and nobody "
        "does, with FastAPI alone neither: pass a function that does, or take its `yield` out"
    )


_COROUTINE = "is a plain `def` that returned a coroutine, which nobody runs"
_GENERATOR = "is a plain `def` that returned a generator, which nobody runs"
_MANAGER = "only gave a context manager, which nobody enters"
_REMEDIES = {
    _COROUTINE: "make it an `async def` that awaits that",
    _GENERATOR: "pass a function that iterates over it",
    _MANAGER: "pass a function that enters it (`with`)",
}


def refuse_undone(function: Function, result: object) -> None:
    """Raise TypeError for a `def` that has done nothing of what was asked, since nobody runs what it gave."""
    undone = left_undone(function, result)
    if undone:
        raise TypeError(undone)


def left_undone(function: Function, result: object) -> str:
    """What to say of a `def` that gave what somebody would have to run, and what to do about it; empty for others.

    A coroutine is closed.
    """
    what = _unrun(result)
    if not what:
        return ""
    if inspect.iscoroutine(result):
        result.close()
    wrapped = inspect.unwrap(function)
    is_wrapper = wrapped is not function and not _is_plain(wrapped) and what != _MANAGER
    who = f"its wrapper {_place_of(function)}" if is_wrapper else _place_of(wrapped)
    or_else = ", or take the wrapper off" if is_wrapper else ""
    return f"{who} {what}, with FastAPI alone neither: {_REMEDIES[what]}{or_else}"


def _unrun(result: object) -> str:
    """What was given that runs only when somebody awaits, iterates or enters it; empty for all else."""
    if inspect.iscoroutine(result):
        return _COROUTINE
    if inspect.isgenerator(result) or inspect.isasyncgen(result):
        return _GENERATOR
    is_manager = type(result).__module__ == "contextlib" and _unrun(getattr(result, "gen", None)) == _GENERATOR
    return _MANAGER if is_manager else ""


def shown(thing: object) -> str:
    """`module:name` for people, in one line: it cannot be looked up by that. Of an object, that of its class."""
    try:
        return one_line(_shown(thing), MOST_NAME)
    except Exception:  # noqa: BLE001 - the user's object, which may raise anything when it is looked at
        return one_line(f":{name_of_class(type(thing))}", MOST_NAME)


def _shown(thing: object) -> str:
    if isinstance(thing, ModuleType):
        return f"module {thing.__name__}"
    if inspect.iscoroutine(thing):
        frame = thing.cr_frame  # None once it is closed
        return f"{frame.f_globals.get('__name__')}:{thing.__qualname__}" if frame else thing.__qualname__
    if isinstance(thing, BuiltinMethodType) and thing.__module__ is None:
        return f"builtins:{thing.__qualname__}"
    named: Any = thing if hasattr(thing, "__qualname__") and hasattr(thing, "__module__") else type(thing)
    return f"{named.__module__}:{named.__qualname__}"


def _is_plain(function: object) -> bool:
    """Whether a call runs it."""
    makers = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    return not any(maker(function) for maker in makers)


def _place_of(function: Function) -> str:
    """The name that its code has itself, with file and line where there is a source."""
    code = getattr(function, "__code__", None)
    if code is None:
        return f"`{shown(function)}`"
    return f"`{code.co_qualname}` ({Path(code.co_filename).name}:{code.co_firstlineno})"


def _unnamed(function: object) -> str:
    """Why `function` cannot have a name that leads to it; empty when it may have one."""
    if inspect.iscoroutine(function):
        return was_called(function.__name__)
    if isinstance(function, Call):
        return "is a call by `.s(...)`, for outlast.chain and its like: pass the function, and its arguments behind it"
    if not callable(function):
        return "cannot be called: pass a function, not what a call of it gave, and its arguments behind it"
    if isinstance(function, partial):
        return IS_PARTIAL
    return IS_LAMBDA if "<lambda>" in getattr(function, "__qualname__", "") else ""


def _path_of_function(function: Function, held: Held) -> str:
    path = _storable(f"{name_elsewhere(function.__module__)}:{function.__qualname__}")
    if "<locals>" in path:
        raise NotStorable(f"{shown(function)} {_IS_HIDDEN if held.path_to(function) else IS_LOCAL}")
    is_program = function.__module__ in NAMES
    try:
        found = resolve(f"__main__:{function.__qualname__}" if is_program else path)
    except TargetNotFound as error:
        raise NotStorable(f"{path} cannot be found by other processes ({error}): {_MODULE_LEVEL}") from error
    if found == function:
        return path
    other_path = held.path_to(function)
    if other_path:
        return _storable(other_path)
    raise NotStorable(
        f"{path} leads to {shown(found)}, not to the function that was given, which was decorated or "
        "replaced: pass what that name leads to, or give the function a name of its own"
    )


def _path_of_method(function: Function, owner: object, held: Held) -> str:
    path = held.path_to(owner)
    if not path or getattr(owner, function.__name__, None) != function:
        why = _of_a_path(function) if isinstance(owner, PurePath) else is_bound_to(type(owner).__qualname__)
        raise NotStorable(f"{shown(function)} {why}")
    return _storable(f"{path}.{function.__name__}")


def _path_of_object(function: Function, held: Held) -> str:
    path = held.path_to(function)
    if not path:
        raise NotStorable(f"{shown(function)} {_IS_HELD_BY_NOBODY}")
    return _storable(path)


def _storable(path: str) -> str:
    """`path`, which is stored as it is: it is refused if it cannot be, or be shown, or leads nowhere elsewhere."""
    if is_in_program(path) and (why := why_not_imported()):
        raise NotStorable(f"{one_line(path, MOST_NAME)} {why}")
    if not path.isprintable() or len(path) > LONGEST_PATH:
        raise NotStorable(f"{one_line(path, MOST_NAME)} has a name that cannot be stored: {_MODULE_LEVEL}")
    return path


def _imported(name: str, path: str) -> ModuleType:
    if name not in sys.modules and name == real_name():
        return sys.modules["__main__"]  # importing it again would run the program a second time
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise TargetNotFound(f"{path} does not exist: there is no module {error.name!r}") from error
        raise TargetNotFound(f"{path} cannot be imported: {said_by(error)}") from error
    except (ImportError, TypeError) as error:  # TypeError: a relative name
        raise TargetNotFound(f"{path} cannot be imported: {said_by(error)}") from error
