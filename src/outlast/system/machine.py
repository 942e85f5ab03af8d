"""This machine, among those whose processes may share a journal: the kernel here can judge no other one's."""

from __future__ import annotations

import socket

HOST = socket.gethostname()
"""What people call it. It changes with each container, so nothing is decided by it."""

THE_ONLY = ""
"""The id of the machine of a journal that is a file, which one machine at a time can use, wherever it was before."""
