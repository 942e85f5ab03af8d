"""What comes over a channel waits in it until it is asked for, also when the other side has gone meanwhile."""

from __future__ import annotations

import os
import selectors
import socket

import pytest

from outlast.wire.channel import Channel
from outlast.wire.frames import packed


def test_what_was_said_and_passed_outlives_a_hang_up() -> None:
    with selectors.DefaultSelector() as selector:
        near, far = socket.socketpair()
        channel = Channel(near, selector)
        with far, open(os.devnull, "rb") as passed:  # noqa: PTH123 - a descriptor
            socket.send_fds(far, [packed({"type": "hello"})], [passed.fileno()])
        channel.drain()
        assert channel.is_over
        assert not selector.get_map()
        assert list(channel.heard(dict)) == [{"type": "hello"}]
        (descriptor,) = channel.descriptors
        os.fstat(descriptor)
        channel.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
