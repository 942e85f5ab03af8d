"""What of its request's context a task takes along, and whether it may go without the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any

from outlast.events import context as words
from outlast.functions.context.carrier import NOTHING, Left, Packed
from outlast.functions.context.variables import Found
from outlast.functions.functions import Functions

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`text` is what travels, None for nothing. `reason_to_stay`: the task reads what does not."""

    text: str | None = None
    reason_to_stay: str = ""
    warnings: tuple[str, ...] = ()


class Luggage:
    """Of one request, made when it begins: what has been set `before` is not its own, but the process's."""

    def __init__(self, functions: Functions, before: Context | None = None) -> None:
        self._functions = functions
        self._before = copy_context() if before is None else before
        self._last: tuple[Context, Packed] | None = None  # its tasks have mostly one context

    def judge(self, path: str, functions: Sequence[Function], context: Context) -> Verdict:
        """Of a task with this path and these functions, seen in `context`."""
        packed = self._packed(context)
        left = [one for one in (*packed.left, *self._nameless(functions)) if self._is_of_request(one, context)]
        if not left:
            return Verdict(packed.text)
        reason = next(self._read_of_project(path, functions, left), "")
        return Verdict(packed.text, reason, tuple(self._missed(path, functions, left)))

    def _packed(self, context: Context) -> Packed:
        if self._last is None or self._last[0] is not context:
            self._last = context, self._functions.carrier.pack(context) if context else NOTHING
        return self._last[1]

    def _nameless(self, functions: Sequence[Function]) -> Iterator[Left]:
        """What they read of variables that no other process could find."""
        for variable in (one for function in functions for one in self._functions.reads(function).variables):
            if variable is not None and self._functions.carrier.variables.has_no_name(variable):
                yield Left(Found(variable.name, variable, is_own=True), words.HAS_NO_NAME)

    def _is_of_request(self, left: Left, context: Context) -> bool:
        """Also a task process has set the others, when it imported the app."""
        variable = left.found.variable
        return variable is None or self._before.get(variable, left) is not context.get(variable, left)

    def _read_of_project(self, path: str, functions: Sequence[Function], left: Sequence[Left]) -> Iterator[str]:
        for function in functions:
            places = self._functions.reads(function).variables
            for one in left:
                if one.found.is_own and (place := places.get(one.found.variable)):
                    yield words.read_by(path, one.found.path, place, one.why)

    def _missed(self, path: str, functions: Sequence[Function], left: Sequence[Left]) -> Iterator[str]:
        packages = {name for function in functions for name in self._functions.reads(function).packages}
        for one in left:
            if one.found.is_asked:
                yield words.not_carried(one.found.path, one.why)
            elif not one.found.is_own and one.found.package in packages:
                yield words.missed_through(path, one.found.package, one.found.path, one.why)
