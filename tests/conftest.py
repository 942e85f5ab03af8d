"""How tests are shared out among the workers of pytest-xdist: those that share a server stay together."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.marks import shared_server_in


class Together(LoadScopeScheduling):
    """One at a time, as they come; but all tests of one shared server in a row, and those first.

    `--dist loadgroup` is not used: from pytest 9.2 on the groups no longer reach it (seen with pytest-xdist 3.8).
    """

    def _split_scope(self, nodeid: str) -> str:
        return shared_server_in(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Called by pytest-xdist, once."""
    return Together(config, log)
