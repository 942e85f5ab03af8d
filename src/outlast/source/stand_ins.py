"""What a test puts in the place of what the project has: mocks, and what is written in a file of tests.

It says nothing of whether a task may run elsewhere.
"""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import suppress
from functools import lru_cache

from outlast.system.links import working_folder
from outlast.text import is_a

_MOCKS = "unittest.mock"
_FOLDER = "tests"


def stands_in(thing: object, file: str) -> bool:
    """Whether a test has put `thing` where code in `file` finds it, which is no test itself."""
    return _is_of_test(thing) and not is_test_file(file)


@lru_cache
def is_test_file(path: str) -> bool:
    """Whether tests are written there, by its name or by that of a folder in the working one, as pytest calls them."""
    with suppress(OSError):  # there was no working folder any more
        path = path.removeprefix(os.path.join(working_folder(), ""))  # noqa: PTH118 - as text
    *folders, file = path.split(os.sep)  # noqa: PTH206 - as text
    name = file.partition(".")[0]
    return name == "conftest" or name.startswith("test_") or name.endswith("_test") or _FOLDER in folders


def _is_of_test(thing: object) -> bool:
    mocks = sys.modules.get(_MOCKS)
    if mocks is not None and is_a(thing, mocks.NonCallableMock):
        return True
    if not inspect.isroutine(thing):
        return False
    if mocks is not None and is_a(getattr(thing, "mock", None), mocks.NonCallableMock):
        return True  # a function made by `autospec`
    code = getattr(thing, "__code__", None)
    return code is not None and is_test_file(code.co_filename)
