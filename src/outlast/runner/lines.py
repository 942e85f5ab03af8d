"""What connects the runner with a task process, and how it starts one."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from outlast.hello import Environment
from outlast.runner.children import Generation

Pair = tuple[socket.socket, socket.socket]


@dataclass(frozen=True, slots=True)
class Lines:
    """Pairs of sockets, the runner's end first: for messages, for orders, and to be closed by the runner's death."""

    channel: Pair
    orders: Pair
    lifeline: Pair

    @classmethod
    def new(cls) -> Lines:
        """Lines of which both ends are here."""
        return cls(socket.socketpair(), socket.socketpair(type=socket.SOCK_DGRAM), socket.socketpair())

    @property
    def pairs(self) -> tuple[Pair, Pair, Pair]:
        """All of them, in the order in which a task process expects their far ends."""
        return self.channel, self.orders, self.lifeline

    def close(self) -> None:
        """Hold nothing; a process at the far end dies of it."""
        close(self.pairs)


def far_ends(pairs: Sequence[Pair]) -> list[int]:
    """Descriptors for the process at the other end."""
    return [far.fileno() for _, far in pairs]


def let_go(pairs: Sequence[Pair]) -> None:
    """The process at the other end has its descriptors: hold them here no longer."""
    for _, far in pairs:
        far.close()


def close(pairs: Sequence[Pair]) -> None:
    """Hold nothing of them."""
    for near, far in pairs:
        near.close()
        far.close()


def spawn(generation: Generation, module: str, pairs: Sequence[Pair]) -> subprocess.Popen[bytes]:
    """Start `python -m module DESCRIPTOR…` with the far ends of `pairs`. Raises OSError, and then closes the pairs."""
    try:
        process = _interpreter(generation, module, far_ends(pairs))
    except OSError:
        close(pairs)
        raise
    let_go(pairs)
    return process


def _interpreter(generation: Generation, module: str, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    environment = generation.environment
    return subprocess.Popen(
        [environment.executable, *environment.flags, "-P", "-m", module, *map(str, descriptors)],
        stdin=subprocess.DEVNULL,
        stdout=generation.outputs[0],
        stderr=generation.outputs[1],
        cwd=environment.folder,
        env=dict(environment.variables),
        pass_fds=descriptors,
        start_new_session=True,
    )


def told(environment: Environment) -> dict[str, Any]:
    """An environment as a message to a process that has its variables already."""
    return asdict(environment) | {"variables": {}}
