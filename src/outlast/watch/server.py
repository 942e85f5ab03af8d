"""What runs this web worker, how patient it is, and whether it has told the worker to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from outlast.watch.box import Server

IsStopping = Callable[[], bool]
HEALTH_CHECK = 5.0  # seconds: uvicorn's default for --timeout-worker-healthcheck


def server_here() -> tuple[Server, IsStopping]:
    """The server whose frames are below us, as they are when it enters the lifespan; nameless if none is known."""
    uvicorn: Any = None
    for frame in _frames_below():
        owner: Any = frame.f_locals.get("self")
        if hasattr(getattr(owner, "cfg", None), "graceful_timeout"):
            return _gunicorn(owner.cfg), _is_stopping(owner)
        uvicorn = uvicorn or _uvicorn_config(frame, owner)
    return (_uvicorn(uvicorn) if uvicorn is not None else Server()), _is_stopping(None)


def _frames_below() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _uvicorn_config(frame: FrameType, owner: object) -> Any:
    for candidate in (frame.f_locals.get("config"), getattr(owner, "config", None)):
        if type(candidate).__module__ == "uvicorn.config":
            return candidate
    return None


def _gunicorn(config: Any) -> Server:
    """It kills a worker whose heartbeat it misses; the heartbeat is sent by the event loop."""
    return Server("gunicorn", float(config.timeout or 0), float(config.graceful_timeout or 0), "loop")


def _uvicorn(config: Any) -> Server:
    """With --workers it asks a thread of each worker, which a blocked loop does not keep from answering."""
    has_workers = (getattr(config, "workers", 1) or 1) > 1
    patience = float(getattr(config, "timeout_worker_healthcheck", HEALTH_CHECK)) if has_workers else 0.0
    return Server("uvicorn", patience, float(config.timeout_graceful_shutdown or 0), "lock" if has_workers else "")


def _is_stopping(worker: Any) -> IsStopping:
    """Whether gunicorn's worker or uvicorn's server has been told to stop, or has stopped listening to clients."""
    server = _uvicorn_server()

    def is_stopping() -> bool:
        if not getattr(worker, "alive", True) or getattr(server, "should_exit", False):
            return True
        return any(not listener.is_serving() for listener in getattr(server, "servers", ()))

    return is_stopping


def _uvicorn_server() -> Any:
    """It listens to signals from before it enters the lifespan; None if none does."""
    server: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if hasattr(server, "should_exit") else None
