"""The key that a client gives a request, so that it may repeat it."""

from __future__ import annotations

from starlette.requests import Request

from outlast.tasks.keys import key_of

HEADER = "Idempotency-Key"  # https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` of a request, for option `key`; None if it has none. Also a dependency of FastAPI.

    Without blanks and quotes around it; one that is too long for a key, or has letters that cannot be printed, is
    replaced by its SHA-256.
    """
    return key_of(request.headers.get(HEADER, ""))
