"""Attempts on their way from the runner to a task process: as many at once as make a message of reasonable size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from outlast.tasks.task import Claimed
from outlast.wire.frames import PIECE, Message, packed

_ALWAYS = 7  # of what is said of an attempt in JSON: the rest is left out where there is none


def packed_attempts(claims: Iterable[Claimed], kind: str = "run") -> Iterator[bytes]:
    """Messages of type `kind`: what an attempt is in JSON, its arguments and its context as they are, each a block."""
    tasks: list[list[Any]] = []
    blocks: list[bytes] = []
    size = 0
    for one in claims:
        if size > PIECE:
            yield packed({"type": kind, "tasks": tasks}, blocks)
            tasks, blocks, size = [], [], 0
        what = [one.id, one.attempt, one.function, str(one.lane), one.memory, one.policy.text(), one.retried]
        tasks.append([*what, one.checkpoint or "", one.queue] if one.checkpoint or one.queue else what)
        blocks += one.arguments.encode(), (one.context or "").encode()
        size += len(one.function) + len(blocks[-1]) + len(blocks[-2]) + len(one.checkpoint or "")
    yield packed({"type": kind, "tasks": tasks}, blocks)


def attempts_in(message: Message) -> list[list[Any]]:
    """Of such a message, for each attempt: id, number, function, lane, memory, policy, retried, arguments, context.

    Behind them checkpoint and queue, where there is one of them.
    """
    texts = [block.decode() for block in message["blocks"]]
    both = zip(message["tasks"], zip(texts[::2], texts[1::2], strict=True), strict=True)
    return [[*task[:_ALWAYS], *its, *task[_ALWAYS:]] for task, its in both]
