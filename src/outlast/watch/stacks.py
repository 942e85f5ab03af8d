"""Stacks of threads as they stand at one instant.

A frame moves on as soon as its thread gets the interpreter's lock again, so what is wanted of it is copied here, in
microseconds and without anything that lets go of the lock, before a file is read or a clock of the kernel asked.
"""

from __future__ import annotations

import asyncio
import linecache
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import CodeType, FrameType

from outlast.watch.flights import SCOPE_KEY, InFlight

DEEPEST = 200  # frames
LONGEST_CALL = 80  # characters
LONGEST_TEXT = 12_000  # characters
_STEP = asyncio.Handle._run.__code__


@dataclass(frozen=True, slots=True)
class FrameSnapshot:
    """A frame as it stood. `handle` is what the event loop runs in it, `flight` what our own marks in it say.

    frame: itself, to be compared by identity and for nothing else, since it moves on.
    """

    frame: FrameType
    code: CodeType
    instruction: int
    line: int
    module: str
    handle: asyncio.Handle | None
    flight: InFlight | None

    @property
    def call(self) -> str:
        """The piece of source that it was at, such as `time.sleep(15)`; empty if that is not known."""
        positions = next(islice(self.code.co_positions(), max(self.instruction, 0) // 2, None), (None,) * 4)
        first, last, start, end = positions
        if first is None or start is None:
            return ""
        line = linecache.getline(self.code.co_filename, first).encode()
        text = line[start : end if first == last else None].decode(errors="replace").strip()
        return text if len(text) <= LONGEST_CALL else f"{text[:LONGEST_CALL]}…"


Stack = Sequence[FrameSnapshot]
"""Outermost first."""


def stack_of(thread: int) -> Stack:
    """The stack of one thread; empty if it is not there."""
    return _stood(sys._current_frames().get(thread))


def stacks_but(threads: Collection[int]) -> list[Stack]:
    """The stacks of all other threads."""
    return [_stood(frame) for thread, frame in sys._current_frames().items() if thread not in threads]


def text_of(stack: Stack) -> str:
    """As Python prints it."""
    lines = traceback.StackSummary.from_list(
        [traceback.FrameSummary(one.code.co_filename, one.line, one.code.co_name) for one in stack]
    )
    return "".join(lines.format())[-LONGEST_TEXT:]


def _stood(frame: FrameType | None) -> Stack:
    stack = [stood(one) for one in islice(_inside_out(frame), DEEPEST)]
    stack.reverse()
    return stack


def stood(frame: FrameType) -> FrameSnapshot:
    """A frame as it stands now."""
    line = frame.f_lineno or 0
    return FrameSnapshot(frame, frame.f_code, frame.f_lasti, line, _module(frame), handle_in(frame), _mark(frame))


def _inside_out(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def handle_in(frame: FrameType) -> asyncio.Handle | None:
    """What the event loop runs in a frame; None in a frame that is not the loop's."""
    found = frame.f_locals.get("self") if frame.f_code is _STEP else None
    return found if isinstance(found, asyncio.Handle) else None


def _mark(frame: FrameType) -> InFlight | None:
    """What one of our own frames has as `flight`, or a request's scope carries."""
    names = frame.f_code.co_varnames
    if "flight" in names and isinstance(flight := frame.f_locals.get("flight"), InFlight):
        return flight
    scope = frame.f_locals.get("scope") if "scope" in names else None
    flight = scope.get(SCOPE_KEY) if isinstance(scope, dict) else None
    return flight if isinstance(flight, InFlight) else None
