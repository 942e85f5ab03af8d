"""Attempts on their way from the runner to a task process: as many at once as make a message of reasonable size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from outlast.frames import PIECE, Message, packed
from outlast.tasks import Claimed


def packed_attempts(claims: Iterable[Claimed], kind: str = "run") -> Iterator[bytes]:
    """Messages of type `kind`: what an attempt is in JSON, its arguments and its context as they are, each a block."""
    tasks: list[list[Any]] = []
    blocks: list[bytes] = []
    size = 0
    for one in claims:
        if size > PIECE:
            yield packed({"type": kind, "tasks": tasks}, blocks)
            tasks, blocks, size = [], [], 0
        tasks.append([one.id, one.attempt, one.function, str(one.lane), one.memory])
        blocks += one.arguments.encode(), (one.context or "").encode()
        size += len(one.function) + len(blocks[-1]) + len(blocks[-2])
    yield packed({"type": kind, "tasks": tasks}, blocks)


def attempts_in(message: Message) -> list[list[Any]]:
    """Of such a message, for each attempt: id, number, function, lane, memory, arguments, context."""
    texts = [block.decode() for block in message["blocks"]]
    both = zip(message["tasks"], zip(texts[::2], texts[1::2], strict=True), strict=True)
    return [[*task, *its] for task, its in both]
