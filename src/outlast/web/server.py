"""Which server runs this web worker, which app it was told, how patient it is, and whether it has told it to stop."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from traceback import walk_stack
from typing import Any

from outlast.watch.layout import Server

IsStopping = Callable[[], bool]
HEALTH_CHECK = 5.0  # seconds: uvicorn's default for --timeout-worker-healthcheck


@dataclass(frozen=True, slots=True)
class Host:
    """What runs this web worker.

    server: its name and its patience; nameless if none is known. app: the app's `module:name` as it was told; empty
    when it does not say. has_lifespan: False where it was told to enter none.
    """

    server: Server
    app: str
    has_lifespan: bool
    is_stopping: IsStopping

    @classmethod
    def here(cls) -> Host:
        """By the server's own frames: they are below us on the stack only on its event loop."""
        worker, config = _found_below()
        app = _gunicorn_says(worker) or _uvicorn_says(config)
        return cls(_server(worker, config), app, getattr(config, "lifespan", "") != "off", _is_stopping(worker))


def _found_below() -> tuple[Any, Any]:
    """The innermost worker of gunicorn's and the innermost configuration of uvicorn's; None for what is not there."""
    worker: Any = None
    config: Any = None
    for frame, _ in walk_stack(sys._getframe(1)):
        owner: Any = frame.f_locals.get("self")
        if worker is None and hasattr(getattr(owner, "cfg", None), "graceful_timeout"):
            worker = owner
        of_frame = (frame.f_locals.get("config"), getattr(owner, "config", None))
        config = config or next((one for one in of_frame if type(one).__module__ == "uvicorn.config"), None)
    return worker, config


def _server(worker: Any, config: Any) -> Server:
    if worker is not None:
        return _gunicorn(worker.cfg)
    return _uvicorn(config) if config is not None else Server()


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


def _gunicorn_says(worker: Any) -> str:
    uri = getattr(getattr(worker, "app", None), "app_uri", None)
    if not isinstance(uri, str) or not uri:
        return ""
    return uri if ":" in uri else f"{uri}:application"


def _uvicorn_says(config: Any) -> str:
    app = getattr(config, "app", None)
    if not isinstance(app, str):
        return ""
    return f"{app}()" if getattr(config, "factory", False) else app
