"""Checkpoints: values that travel from one attempt of a task to the next, as arguments without annotation do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from outlast.errors import NotStorable
from outlast.functions.encoding import Codec
from outlast.tasks.attempt import Attempt, Keeper, running_attempt
from outlast.tasks.progress import MOST_CHECKPOINT
from outlast.text import kib_above


def _checkpoint(value) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """What a checkpoint would be an argument of."""


@lru_cache(1)
def _codec() -> Codec:
    return Codec(_checkpoint)


def encoded(value: Any) -> str:
    """As JSON text. Raises NotStorable for what would not come back the same, and for what is too large."""
    try:
        text = _codec().encode((value,), {})
    except NotStorable as error:
        raise NotStorable(f"this checkpoint cannot be kept: {_about_it(error)}") from None
    size = len(text.encode())
    if size > MOST_CHECKPOINT:
        raise NotStorable(
            f"this checkpoint cannot be kept: it is {kib_above(size, MOST_CHECKPOINT)} KiB of JSON, more than the "
            f"{MOST_CHECKPOINT >> 10} KiB that one may have: store the data yourself and give its key or path"
        )
    return text


def _about_it(error: NotStorable) -> str:
    """What is wrong with it, in words of a checkpoint where they are those of an argument."""
    what = str(error).partition(": ")[2].replace("parameter `value`", "it").replace("; pass ", "; give ")
    return what.partition(", or call it from")[0].replace(": pass ", ": give ")


def decoded(text: str) -> Any:
    """The value that was encoded. Raises NotStorable for a text that means nothing here."""
    try:
        (value,), _ = _codec().decode(text)
    except NotStorable as error:
        raise NotStorable(f"the checkpoint of an attempt before cannot be read: {error}") from None
    return value


class _Refusing(Keeper):
    """Where no attempt comes after this one: what could not be stored is refused all the same."""

    def checkpoint(self, attempt: Attempt, value: Any) -> None:  # noqa: ARG002
        encoded(value)


_REFUSING = _Refusing()


@contextmanager
def attempted(attempt: Attempt | None = None) -> Iterator[None]:
    """A task runs here that no runner knows of: inline, or in a test, which may know its `attempt`."""
    token = running_attempt.set(attempt or Attempt(keeper=_REFUSING))
    try:
        yield
    finally:
        running_attempt.reset(token)
