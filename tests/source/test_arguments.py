"""Whether a task changes what it is passed, and the web process keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outlast.source.module_state import shares_state
from tests.samples.passed import FREE, SHARED


@pytest.mark.parametrize("function", SHARED)
def test_a_change_of_what_the_web_process_keeps_is_told(function: Callable[..., Any]) -> None:
    assert SHARED[function] in shares_state(function)


@pytest.mark.parametrize("function", FREE)
def test_who_changes_what_nobody_keeps_is_free(function: Callable[..., Any]) -> None:
    assert shares_state(function) == ""
