"""How a task is described whose function a test has replaced: it is called with what it is given, as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outlast.functions.encoding import Codec, Rest, Rests
from outlast.functions.functions import TaskFunction, is_async, options_of
from outlast.functions.names import shown
from outlast.tasks.options import with_options
from outlast.tasks.task import Lane, TaskOptions


def as_stand_in(function: Callable[..., Any], defaults: TaskOptions) -> TaskFunction:
    """What a task of a mock needs, or of a function that stands in for another. defaults: setting `options`."""
    asked = with_options(defaults, options_of(function).get("given", {}))
    return TaskFunction(shown(function), Lane.LOOP if is_async(function) else Lane.THREAD, Unwritten(), "", asked, "")


class Unwritten(Codec, Rests):
    """Takes any arguments, whatever comes first, and writes none: a mock would take them, too."""

    def __init__(self) -> None:
        self.hints = {}
        self.rest = self

    def behind(self, count: int) -> Rest:  # noqa: ARG002
        """All."""
        return Rest((), self)

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:  # noqa: ARG002
        """Nothing."""
        return ""
