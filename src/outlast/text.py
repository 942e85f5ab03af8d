"""Text from elsewhere (a request, an exception, another process) made fit to be stored, logged and shown.

It may hold what no journal can store (lone surrogates, NUL), what forges a line of a log or moves a terminal's cursor
(control characters, marks that turn the direction of writing), and it may be of any length. What comes out holds none
of that and is short.
"""

from __future__ import annotations

import traceback
from contextlib import suppress

MOST_NAME = 300  # characters of what is named: a function, a path, a process
MOST_REASON = 2_000  # of one sentence, such as an exception in one line
MOST_TRACEBACK = 16_384
NO_TEXT = "(it gives no text)"


def clean(text: object, most: int) -> str:
    """`text` with what cannot be stored or shown escaped as Python would write it; line breaks and tabs stay.

    most: characters of the text that are kept, its beginning and its end; between them stands how many were left out.
    What is no text becomes "".
    """
    if not isinstance(text, str):
        return ""
    short = _shortened(text, most)
    return short if short.isprintable() else "".join(map(_visible, short))


def one_line(text: object, most: int) -> str:
    """The same in one line: line breaks and tabs are escaped, too."""
    return clean(text, most).replace("\n", "\\n").replace("\t", "\\t")


def said_by(error: BaseException) -> str:
    """The text of an exception, whatever its class makes of `__str__`."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - it is user code, and what it raises is not what is to be told
        return NO_TEXT
    return text


def in_one_line(error: BaseException, most: int = MOST_REASON) -> str:
    """An exception as `Type: text`, clean and in one line."""
    name, text = type(error).__name__, said_by(error)
    return one_line(f"{name}: {text}" if text else name, most)


def in_a_call(error: BaseException) -> str:
    """An exception as the call that would make it, such as `SystemExit('bad input')`."""
    text = said_by(error)
    return one_line(f"{type(error).__name__}({text!r})" if text else f"{type(error).__name__}()", MOST_NAME)


def traceback_of(error: BaseException, most: int = MOST_TRACEBACK, *, skip: int = 0) -> str:
    """The traceback of an exception as Python prints it, clean, without its first `skip` frames.

    An exception that does not let itself be printed is told in one line.
    """
    with suppress(BaseException):
        found = error.__traceback__
        for _ in range(skip):
            found = found.tb_next if found is not None and found.tb_next is not None else found
        return clean("".join(traceback.format_exception(type(error), error, found)), most)
    return in_one_line(error)


def _shortened(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    head, tail = most - most // 2, most // 2
    left_out = f" … {len(text) - most} characters left out … "
    return f"{text[:head]}{left_out}{text[len(text) - tail :]}"


def _visible(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]
