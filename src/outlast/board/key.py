"""The guard of a dashboard that is served alone: who has the address that the terminal has printed."""

from __future__ import annotations

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

from outlast.board.guard import Answer
from outlast.events import board as words


class Key:
    """In the address once, then in a cookie. Others on this machine can reach its port, too, and have neither.

    cookie: its name; cookies are those of all ports of a host, so another one for each dashboard.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._cookie = f"outlast-{secrets.token_hex(4)}"

    def address(self, port: int) -> str:
        """Where a browser finds the dashboard."""
        return f"http://127.0.0.1:{port}/?key={self.secret}"

    def __call__(self, request: Request) -> Answer:
        """As a `Guard`."""
        if self._is_it(request.cookies.get(self._cookie, "")):
            return True
        if not self._is_it(request.query_params.get("key", "")):
            return PlainTextResponse(words.NO_KEY, 403)
        answer = RedirectResponse(request.scope.get("root_path", "") + "/", 303)
        answer.set_cookie(self._cookie, self.secret, httponly=True, samesite="lax")
        return answer

    def _is_it(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.secret.encode())
