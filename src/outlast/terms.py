"""What may be asked of a task's run: timeouts and sizes as people write them, checked where they are written."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from outlast.errors import OptionError
from outlast.tasks import Terms

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMG]?)(i?B)?", re.IGNORECASE)


def terms(before: Terms, *, isolate: bool = False, timeout: float | None, memory: int | str | None) -> Terms:
    """`before`, with what is given put in its place. A task whose memory is limited runs in lane `alone`.

    Raises OptionError for a timeout that is no positive number of seconds, and for a size that is none.
    """
    size = None if memory is None else positive_size("memory", memory)
    alone = isolate or size is not None
    return replace(
        before,
        company=1 if alone else before.company,
        timeout=before.timeout if timeout is None else _positive_seconds(timeout),
        memory=before.memory if size is None else size,
    )


def size_of(text: int | str) -> int:
    """Bytes in `text`, such as `536870912`, `"512M"`, `"1.5 GiB"`; units are powers of 1024. Raises ValueError."""
    found = _SIZE.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size: write bytes, or a number with K, M or G behind it")
    return int(float(found["number"]) * _UNITS[found["unit"].upper()])


def positive_size(option: str, given: int | str) -> int:
    """The same for an option, which has to be more than nothing. Raises OptionError."""
    try:
        size = size_of(given)
    except ValueError as error:
        raise OptionError(f"option {option!r}: {error}") from None
    if size <= 0:
        raise OptionError(f"option {option!r} is {given!r}, but it has to be more than 0 bytes")
    return size


def _positive_seconds(given: float) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given < math.inf:
        raise OptionError(f"option 'timeout' is {given!r}, but it has to be a number of seconds above 0")
    return float(given)
