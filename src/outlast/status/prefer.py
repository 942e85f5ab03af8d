"""What a client says that it would rather have: `Prefer: respond-async, wait=5` (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Iterable

MOST_WAIT = 20.0  # seconds: a server that stops waits for its requests
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)


def preferred_wait(headers: Iterable[str]) -> int | None:
    """For how many seconds the answer may be waited for, of all `Prefer` headers; None where they do not say so."""
    found = _WAIT.search(",".join(headers))
    return min(int(found[1]), int(MOST_WAIT)) if found else None
