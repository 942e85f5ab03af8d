"""The path of a request as ASGI has it: whole, with what a proxy in front of the server has taken away."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class WholePath:
    """`app`, which is routed by that path.

    Gunicorn's own worker and FastAPI(root_path="/api") say what the proxy takes away, but leave the path without it, as
    it came. What is mounted does not find its own part in such a path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "path": whole(scope)}, receive, send)


def whole(scope: Scope) -> str:
    """That path, of a request to something that may be mounted."""
    path: str = scope["path"]
    root, taken = scope.get("root_path", ""), scope.get("app_root_path", "")
    return path if is_below(path, root) or not is_below(f"{taken}{path}", root) else f"{taken}{path}"


def is_below(path: str, root: str) -> bool:
    """Whether a path is `root`, or leads further than that."""
    return f"{path}/".startswith(f"{root}/")
