"""Python's parser, called so that it disturbs nobody.

CPython 3.11 keeps in one place for all threads how deep a parser is. One that loses the interpreter's lock in the
middle, since the collector runs something, raises SystemError when another thread has parsed meanwhile: of two that do
nothing else, in half of the cases (measured; never in 3.12 and 3.13). So a file is read while nobody is in the parser.
"""

from __future__ import annotations

import ast
import gc
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from types import FrameType
from typing import Any, cast

IS_SHARED = sys.version_info < (3, 12)
TRIES = 20  # each fails only if another thread gets the interpreter's lock at the wrong time
PATIENCE = 0.5  # seconds in which another thread is done with its file
INNERMOST = 12  # frames of a thread: those of what the collector runs, and below them that of the parser


def parsed(text: str) -> ast.Module:
    """Its syntax tree. Raises what the parser raises when it is no Python."""
    for _ in range(TRIES if IS_SHARED else 0):
        with suppress(SystemError):
            return _parsed_alone(text)
    return ast.parse(text)


def _parsed_alone(text: str) -> ast.Module:
    """Nobody is in the parser, and nothing that the collector runs lets anybody in."""
    until = time.monotonic() + PATIENCE
    while _others_parse() and time.monotonic() < until:
        time.sleep(0.001)
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        if _others_parse():
            raise SystemError("another thread has begun to parse")
        tree: Any = compile(text, "<unknown>", "exec", ast.PyCF_ONLY_AST)  # at once: nobody gets in between
    finally:
        if is_enabled:
            gc.enable()
    return cast("ast.Module", tree)


def _others_parse() -> bool:
    own = threading.get_ident()
    return any(_parses(frame) for thread, frame in sys._current_frames().items() if thread != own)


def _parses(innermost: FrameType) -> bool:
    return any(one.f_code is ast.parse.__code__ for one in islice(_outwards(innermost), INNERMOST))


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
