"""Tests that run side by side get a port each."""

from __future__ import annotations

import socket

import pytest

from tests.support.processes import can_be_bound
from tests.support.servers import free_port


def test_a_port_is_kept_for_the_server_it_was_given_to() -> None:
    """Servers set SO_REUSEADDR; whoever does not, and the kernel when it chooses a port by itself, keeps off."""
    port = free_port()
    assert can_be_bound(port)
    with socket.socket() as another, pytest.raises(OSError, match="in use"):
        another.bind(("127.0.0.1", port))
