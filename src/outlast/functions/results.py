"""What a task has returned, to JSON text and back: by the same codec as its arguments, as the only one of a call."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

from outlast.errors import NoResult, NotStorable
from outlast.events import endings
from outlast.functions.encoding import Codec
from outlast.functions.names import resolve_task
from outlast.functions.parameters import result_hint
from outlast.functions.values import parts
from outlast.tasks.outcome import RETURNED, Returned
from outlast.tasks.redaction import RESULT
from outlast.text import MOST_REASON, in_one_line, one_line

_WORDS = {": pass ": ": return ", "; pass ": "; return ", "or pass ": "or return ", f"`{RESULT}: ": "`-> "}
_FRAME = len(f'{{"{RESULT}":}}')
_CONTAINERS = (list, tuple, set, frozenset, deque)


class Results:
    """Those of one function, typed by its return annotation. Build it once, when the first one has to be written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._codec = Codec(_taking(function))

    def kept(self, value: object, most: int) -> Returned:
        """What a task has returned that has returned `value`, whose JSON may have `most` bytes."""
        if value is None or most == 0:
            return RETURNED
        try:
            text = "" if is_surely_longer(value, most) else self._codec.encode((value,), {})
        except NotStorable as error:
            return Returned(lost=one_line(endings.result_not_kept(_about_it(error)), MOST_REASON))
        except Exception as error:  # noqa: BLE001 - an object of the user's, which may raise anything when it is looked at
            return Returned(lost=endings.result_not_kept(f"looking at it raised {in_one_line(error)}"))
        size = len(text.encode()) - _FRAME
        return Returned(text) if 0 < size <= most else Returned(lost=endings.result_too_large(most))

    def read(self, text: str) -> Any:
        """The value that was written as `text`. Raises NotStorable where the function returns something else now."""
        args, _ = self._codec.decode(text)
        return args[0]

    def told(self, text: str) -> str:
        """`text` as an endpoint tells such a value; as it is where that cannot be, or the function is another now."""
        try:
            return self._codec.whole(text)
        except Exception:  # noqa: BLE001 - the user's models and serializers may raise anything
            return text


class ResultsOfAll:
    """Of all functions of a process that may be asked for."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Callable[..., Any], Results] = WeakKeyDictionary()

    def of(self, function: Callable[..., Any]) -> Results:
        """Made once for each function; a method is bound anew each time it is named."""
        if type(function) is not FunctionType:
            return Results(function)
        if function not in self._known:
            self._known[function] = Results(function)
        return self._known[function]

    def at(self, path: str) -> Results:
        """Of the function at a path; of one that may return anything where there is none any more. May import it."""
        try:
            return self.of(resolve_task(path))
        except (Exception, SystemExit):  # noqa: BLE001 - as the import of a user's module may raise
            return Results(_anything)

    def read(self, path: str, text: str) -> Any:
        """What the function at a path has returned. Imports its module, if that was not yet. Raises NoResult."""
        try:
            return self.of(resolve_task(path)).read(text)
        except (Exception, SystemExit) as error:
            raise NoResult(f"what {path} has returned cannot be read back: {in_one_line(error)}") from error


def is_surely_longer(value: object, most: int) -> bool:
    """Whether its JSON has more than `most` bytes; found out without writing it, which may take seconds."""
    size, waiting = 0, [value]
    while waiting and size <= most:
        inner = waiting.pop()
        if isinstance(inner, (str, bytes, bytearray)):
            size += len(inner)
        elif isinstance(inner, (dict, *_CONTAINERS)):
            size += len(inner) + 1
            if size <= most:
                waiting += inner.values() if isinstance(inner, dict) else inner
        else:
            size += 1
            waiting += (parts(inner) or {}).values()
    return size > most


def _anything() -> Any: ...


def _taking(function: Callable[..., Any]) -> Callable[[Any], None]:
    """A function that takes what `function` returns."""

    def take(result: Any) -> None: ...

    take.__module__ = getattr(function, "__module__", "")
    its = inspect.Parameter(RESULT, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=result_hint(function))
    take.__signature__ = inspect.Signature([its])  # type: ignore[attr-defined]
    return take


def _about_it(error: NotStorable) -> str:
    """What is wrong with it, in words of a result where they are those of an argument."""
    _, _, what = str(error).partition(f"parameter `{RESULT}` ")
    for of_argument, of_result in _WORDS.items():
        what = what.replace(of_argument, of_result)
    return f"it {what}" if what else str(error)
