"""Which app runs here: asked of the server that runs it, else looked for among the imported modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from outlast.program import NAMES, real_name


def app_of_server() -> str:
    """The app's `module:name` as uvicorn or gunicorn was told; empty when no server says.

    Called on the server's event loop: the server's own frames are then below us on the stack.
    """
    for frame in _frames_below():
        answers = (_gunicorn_says(frame.f_locals.get("self")), *map(_uvicorn_says, _configs_of(frame)))
        if answer := next(filter(None, answers), ""):
            return answer
    return ""


def is_lifespan_off() -> bool:
    """Whether uvicorn was told to enter no lifespan. Called as `app_of_server`."""
    configs = (one for frame in _frames_below() for one in _configs_of(frame))
    return any(getattr(one, "lifespan", "") == "off" for one in configs)


def app_in_modules(app: object) -> str:
    """`module:name` under which `app` is found in an imported module; empty when in none, or there is no app."""
    return next(names_in_modules(app), "")


def names_in_modules(app: object) -> Iterator[str]:
    """Each `module:name` under which `app` is found in imported modules, in programs last."""
    if app is None:
        return
    programs = [(name, sys.modules[name]) for name in NAMES if name in sys.modules]
    modules = [one for one in list(sys.modules.items()) if one[0] not in NAMES]
    for module_name, module in modules + programs:
        names = getattr(module, "__dict__", {})
        for name, value in list(names.items()):
            if value is app and not name.startswith("_"):
                yield f"{(real_name() or '__main__') if module_name in NAMES else module_name}:{name}"


def _frames_below() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _configs_of(frame: FrameType) -> list[Any]:
    """What is a configuration of uvicorn's in a frame."""
    found = (frame.f_locals.get("config"), getattr(frame.f_locals.get("self"), "config", None))
    return [one for one in found if type(one).__module__ == "uvicorn.config"]


def _gunicorn_says(candidate: Any) -> str:
    application = getattr(candidate, "app", None)
    uri = getattr(application, "app_uri", None)
    if not isinstance(uri, str) or not uri:
        return ""
    return uri if ":" in uri else f"{uri}:application"


def _uvicorn_says(config: Any) -> str:
    app = getattr(config, "app", None)
    if not isinstance(app, str):
        return ""
    return f"{app}()" if getattr(config, "factory", False) else app
