"""The parser is shared with whoever else parses: each thread gets its tree."""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outlast.source.parsing import parsed

SOURCE = Path(ast.__file__).read_text()[:20_000].rpartition("\ndef ")[0]
TIMES = 400


class Garbage:
    """In a circle, so that the collector runs Python's code in the middle of whatever makes objects."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        for _ in range(50):
            pass


@pytest.fixture(autouse=True)
def _restless() -> Iterator[None]:
    """Each thread wants the interpreter's lock all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("other", [ast.parse, parsed])
def test_who_parses_meanwhile_is_not_disturbed(other: Callable[[str], ast.Module]) -> None:
    failures: list[SystemError] = []
    is_over = threading.Event()

    def parse(parse: Callable[[str], ast.Module]) -> None:
        Garbage()
        try:
            parse(SOURCE)
        except SystemError as error:
            failures.append(error)

    def parse_on() -> None:
        while not is_over.is_set():
            parse(parsed)

    ours = threading.Thread(target=parse_on)
    ours.start()
    for _ in range(TIMES):
        parse(other)
    is_over.set()
    ours.join()
    assert failures == []
