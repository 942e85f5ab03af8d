"""How tests are shared out among the workers of pytest-xdist: those that share a server stay together.

And that no property test asks how fast this machine is.
"""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.support.marks import shared_server_in

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """A shell that starts this in the background has it ignore these signals, and so would all that tests start."""
    for one, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
        if signal.getsignal(one) is signal.SIG_IGN:
            signal.signal(one, default)


class Together(LoadScopeScheduling):
    """One at a time, as they come; but all tests of one shared server in a row, and those first.

    `--dist loadgroup` is not used: from pytest 9.2 on the groups no longer reach it (seen with pytest-xdist 3.8).
    """

    def _split_scope(self, nodeid: str) -> str:
        return shared_server_in(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Called by pytest-xdist, once."""
    return Together(config, log)


def pytest_collection_finish() -> None:
    """What tests start compiles its files anew: one that has changed within a second would be taken for the old one."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
