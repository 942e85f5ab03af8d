"""Text from elsewhere (a request, an exception, another process) made fit to be stored, logged and shown.

It may hold what no journal can store (lone surrogates, NUL), what forges a line of a log or moves a terminal's cursor
(control characters, marks that turn the direction of writing), and it may be of any length. What comes out holds none
of that and is short. It comes out unchanged a second time, so it may be made clean at each border that it crosses.

Exceptions and their classes are user code, too: whatever that does when it is looked at, something can be told of it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import TypeGuard, TypeVar, cast

T = TypeVar("T")

MOST_NAME = 300  # characters of what is named: a function, a path, a process
LONGEST_PATH = 1_000  # of a function that other processes find by it: it is never cut
MOST_REASON = 2_000  # of one sentence, such as an exception in one line
MOST_TRACEBACK = 16_384
MOST_CAUSES = 50  # exceptions that one has come from
NO_TEXT = "(it gives no text)"
NO_NAME = "(a class without a name)"
_BREAKS = "\n\t"


def clean(text: object, most: int) -> str:
    """`text` with what cannot be stored or shown escaped as Python would write it; line breaks and tabs stay.

    most: characters of the answer, at least 100. Of a longer text the beginning and the end are kept; between them
    stands how many characters were left out. What is no text becomes "".
    """
    plain = _plain(text)
    if len(plain) <= most and plain.replace("\n", "").replace("\t", "").isprintable():
        return plain
    return _fitted(plain, most, _visible_but_breaks)


def one_line(text: object, most: int) -> str:
    """The same in one line: line breaks and tabs are escaped, too."""
    return _fitted(_plain(text), most, _visible)


def json_line(text: object, most: int) -> str:
    """The same of a JSON text, escaped as JSON would write it: one that is not shortened says what it has said."""
    return _fitted(_plain(text), most, _visible_in_json)


def as_text(given: object) -> str:
    """A text as it is, also of an enum that is one, which would print its name; of what is none, how it prints."""
    return str.__str__(given) if isinstance(given, str) else str(given)


def indented(text: str) -> str:
    """Several lines as a log may have them: none but the first looks as if it were a line of the log's own."""
    return text.replace("\n", "\n    ")


def said_by(error: BaseException) -> str:
    """The text of an exception, whatever its class makes of `__str__`."""
    with suppress(BaseException):  # what user code raises here is not what is to be told
        return _plain(str(error))
    return NO_TEXT


def name_of_class(kind: type) -> str:
    """The name of a class, whatever its metaclass makes of `__name__`; it may have been made without one."""
    return str(type.__dict__["__name__"].__get__(kind)) or NO_NAME


def module_of_class(kind: type) -> str:
    """The name of the module that a class says it is of, whatever its metaclass makes of `__module__`."""
    found = type.__getattribute__(kind, "__module__")
    return found if type(found) is str else ""


def full_name_of_class(kind: type) -> str:
    """The same as `module:name` with the classes and functions that it stands in, in one line."""
    name = str(type.__dict__["__qualname__"].__get__(kind)) or NO_NAME
    return one_line(f"{module_of_class(kind)}:{name}", MOST_NAME)


def kib_above(size: int, most: int) -> int:
    """KiB in so many bytes, as they are told beside those in `most`, which are fewer: never the same number."""
    return max(round(size / 1024), (most >> 10) + 1)


def is_a(thing: object, kind: type[T] | tuple[type[T], ...]) -> TypeGuard[T]:
    """As isinstance, which also asks the object, whose answer may be a lie or an exception, as of a proxy's."""
    return issubclass(type(thing), kind)


def in_one_line(error: BaseException, most: int = MOST_REASON) -> str:
    """An exception as `Type: text`, clean and in one line."""
    return with_type(error, said_by(error), most)


def in_brief(error: BaseException) -> str:
    """The same with the first line of its text only."""
    return with_type(error, said_by(error).partition("\n")[0])


def with_type(error: BaseException, text: str, most: int = MOST_REASON) -> str:
    """`text`, in one line, behind the type of an exception."""
    name = name_of_class(type(error))
    return one_line(f"{name}: {text}" if text.strip() else name, most)


def in_a_call(error: BaseException) -> str:
    """An exception as the call that would make it, such as `SystemExit('bad input')`."""
    text = said_by(error)
    return one_line(f"{type(error).__name__}({text!r})" if text else f"{type(error).__name__}()", MOST_NAME)


def traceback_of(error: BaseException, most: int = MOST_TRACEBACK, *, skip: int = 0) -> str:
    """The traceback of an exception as Python prints it, clean, without its first `skip` frames.

    Of an exception that does not let itself be printed, the frames and one line.
    """
    frames = _without(frames_of(error), skip)
    with suppress(BaseException):  # printing it runs user code: its texts, notes and causes
        return clean("".join(traceback.format_exception(type(error), error, frames)), most)
    with suppress(BaseException):  # so does looking for the lines of its source: a loader of the user's
        return clean("".join([*traceback.format_tb(frames), in_one_line(error), "\n"]), most)
    return in_one_line(error, most)


def printed(error: BaseException) -> str:
    """The traceback of an exception as a log may have it: indented if it could look like lines of the log."""
    text = traceback_of(error).rstrip()
    return text if _says_one_line(error) else f"    {indented(text)}"


def _says_one_line(error: BaseException) -> bool:
    """Whether neither an exception nor those it has come from say more; False, too, where they let nobody look."""
    with suppress(BaseException):
        seen: set[int] = set()
        following: BaseException | None = error
        while following is not None and id(following) not in seen and len(seen) < MOST_CAUSES:
            seen.add(id(following))
            plain = not getattr(following, "__notes__", ()) and not is_a(following, BaseExceptionGroup)
            if not plain or len(said_by(following).splitlines()) > 1:
                return False
            following = following.__cause__ or following.__context__
        return following is None
    return False


def _plain(text: object) -> str:
    """The characters alone: a subclass of str may have any methods, and any object may claim to be a str."""
    return str.__str__(cast("str", text)) if issubclass(type(text), str) else ""


def _fitted(text: str, most: int, visible: Callable[[str], str]) -> str:
    if len(text) <= most:
        whole = text if text.isprintable() else "".join(map(visible, text))
        if len(whole) <= most:
            return whole
    room = most - len(_left_out(len(text)))
    head = _as_many_as_fit(map(visible, text), room - room // 2)
    tail = _as_many_as_fit(map(visible, reversed(text)), room // 2)
    return "".join([*head, _left_out(len(text) - len(head) - len(tail)), *reversed(tail)])


def _as_many_as_fit(pieces: Iterable[str], room: int) -> list[str]:
    fitting = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        fitting.append(piece)
    return fitting


def _left_out(count: int) -> str:
    return f" … {count} characters left out … "


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]


def _visible_but_breaks(letter: str) -> str:
    return letter if letter in _BREAKS else _visible(letter)


def _visible_in_json(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


def frames_of(error: BaseException) -> TracebackType | None:
    """What Python has noted, not what a class says of itself."""
    found: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    return found


def _without(frames: TracebackType | None, skip: int) -> TracebackType | None:
    for _ in range(skip):
        frames = frames.tb_next if frames is not None and frames.tb_next is not None else frames
    return frames
