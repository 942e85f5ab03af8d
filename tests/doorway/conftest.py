"""These tests look at what a server would do, also where the pytest plugin is installed."""

from __future__ import annotations

import pytest

from outlast.process import this


@pytest.fixture(autouse=True)
def _as_on_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this, "mode", "real")
