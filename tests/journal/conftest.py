"""Each test begins at the same time: the clock that the journals go by is one for all of them."""

from __future__ import annotations

import pytest

from tests.support.turns import at


@pytest.fixture(autouse=True)
def _clock() -> None:
    at(1.0)
