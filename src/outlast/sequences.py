"""`outlast.chain` and `outlast.group`: tasks that are stored together, of which some run after others."""

from __future__ import annotations

from typing import Any, TypeVar, overload

from outlast.app import current
from outlast.errors import OptionError
from outlast.tasks.signature import Ready, Signature
from outlast.web.handle import Together
from outlast.web.sequences import Chain, Group, Sequence

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")


@overload
async def chain(first: Ready[A], /) -> Together[A]: ...
@overload
async def chain(first: Ready[A], second: Signature[A, B], /) -> Together[B]: ...
@overload
async def chain(first: Ready[A], second: Signature[A, B], third: Signature[B, C], /) -> Together[C]: ...
@overload
async def chain(
    first: Ready[A], second: Signature[A, B], third: Signature[B, C], fourth: Signature[C, D], /
) -> Together[D]: ...
@overload
async def chain(first: Ready[Any], /, *others: Signature[Any, Any]) -> Together[Any]: ...
async def chain(first: Ready[Any], /, *others: Signature[Any, Any]) -> Together[Any]:
    """Store tasks that run one after the other; each gets what the one before has returned, as its first argument.

    first, others: calls, made by `function.s(...)`, or `.si(...)` for one that gets nothing. Where one does not get
    done, those after it end, too. Returns a handle of the last one; its `all` has those of each. Raises NotStorable
    when one cannot travel, StoreFailed or JournalUnusable.
    """
    return await _asked(Chain(first, *others))


@overload
def chain_sync(first: Ready[A], /) -> Together[A]: ...
@overload
def chain_sync(first: Ready[A], second: Signature[A, B], /) -> Together[B]: ...
@overload
def chain_sync(first: Ready[A], second: Signature[A, B], third: Signature[B, C], /) -> Together[C]: ...
@overload
def chain_sync(
    first: Ready[A], second: Signature[A, B], third: Signature[B, C], fourth: Signature[C, D], /
) -> Together[D]: ...
@overload
def chain_sync(first: Ready[Any], /, *others: Signature[Any, Any]) -> Together[Any]: ...
def chain_sync(first: Ready[Any], /, *others: Signature[Any, Any]) -> Together[Any]:
    """The same for code without an event loop. Blocks for one fsync."""
    return _asked_now(Chain(first, *others))


async def group(*calls: Ready[A], then: Signature[list[A], B]) -> Together[B]:
    """Store tasks that run side by side, and `then`, which runs when all are done, and gets what they have returned.

    calls: made by `function.s(...)`. then: gets a list, in their order. Where one of them does not get done it ends,
    too. Returns a handle of `then`; its `all` has those of each. Raises as `chain`, and OptionError without a call.
    """
    return await _asked(_group(calls, then))


def group_sync(*calls: Ready[A], then: Signature[list[A], B]) -> Together[B]:
    """The same for code without an event loop. Blocks for one fsync."""
    return _asked_now(_group(calls, then))


def _group(calls: tuple[Ready[Any], ...], then: Signature[Any, Any]) -> Group:
    if not calls:
        raise OptionError("a group needs at least one call")
    return Group(*calls, then)


async def _asked(sequence: Sequence) -> Together[Any]:
    journal = current().journal
    return Together(await journal.enqueue(sequence), journal)


def _asked_now(sequence: Sequence) -> Together[Any]:
    journal = current().journal
    return Together(journal.enqueue_sync(sequence), journal)
