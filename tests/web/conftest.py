"""These tests look at what a server would do, also where the pytest plugin is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from outlast.system.process import this
from outlast.web import hook


@pytest.fixture(autouse=True)
def _as_on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this, "mode", "real")


@pytest.fixture
def hooks_taken_out() -> Iterator[None]:
    """For tests of the hooks: whoever comes next finds FastAPI as it is alone."""
    yield
    hook.uninstall()
