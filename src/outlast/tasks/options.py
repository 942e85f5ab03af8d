"""What may be asked of a task's run, at its function and at the call: checked where it is written."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from math import nan
from typing import Any, Literal, TypedDict

from outlast.errors import OptionError
from outlast.tasks import limits
from outlast.tasks.keys import MOST_KEY, is_key
from outlast.tasks.policy import FAIL, MOST_DELAY, RERUN, Backoff, backoff, kinds_of, seconds
from outlast.tasks.task import NO_OPTIONS, Call, TaskOptions
from outlast.text import as_text

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMG]?)(i?B)?", re.IGNORECASE)
_LEAST_TIME = 1e-3  # seconds that an attempt has at least
_ELSEWHERE = {
    "parallel": "it is one of tasks.options(...), where tasks is the outlast.BackgroundTasks of a request",
    "travels": "it is one of a function, @outlast.task(travels=...)",
    "max_waiting": "it is one of a queue, in setting 'queues'",
}
_CALLED_SO = {  # by other libraries
    **dict.fromkeys(("retry", "max_retries", "max_tries", "attempts"), "retries"),
    **dict.fromkeys(("countdown", "defer_by", "delay_seconds"), "delay"),
    **dict.fromkeys(("eta", "defer_until", "scheduled_at", "at"), "run_at"),
    **dict.fromkeys(("time_limit", "soft_time_limit", "job_timeout", "max_duration"), "timeout"),
    **dict.fromkeys(("unique", "unique_key", "job_id", "task_id", "idempotency_key", "lock"), "key"),
    **dict.fromkeys(("retry_delay", "retry_backoff", "default_retry_delay"), "backoff"),
    **dict.fromkeys(("rate_limit", "throttle"), "rate"),
    **dict.fromkeys(("max_concurrency", "concurrency_limit"), "concurrency"),
    "autoretry_for": "retry_on",
    "ttl": "expires",
    "queue_name": "queue",
}
_TIMES = {"delay", "run_at"}  # say the same
MOST_PRIORITY = 1000
MOST_RETRIES = 100_000
MOST_SIZE = 1 << 50  # bytes: what is more than that is a mistake

Duration = float | timedelta
Exceptions = type[BaseException] | tuple[type[BaseException], ...]


class Given(TypedDict, total=False):
    """Options of a function and of a single call; what is said of the call holds. Times are seconds or a timedelta.

    isolate: each attempt runs in a process with nothing else in it (lane `alone`).
    timeout: that an attempt may take; then it is stopped, and its process ended if it does not listen.
    memory: bytes, or text such as "512M", that an attempt may take beyond what its process has when it begins; such
        a task runs in lane `alone`, and gets a MemoryError when it wants more.
    retries: how often it is tried again after an exception or its timeout. Default: 0, as FastAPI alone, and 3 for an
        `outlast.Retry`.
    backoff: how long it waits before that: `outlast.backoff(...)`, or always the same time.
    retry_on: the exceptions after which it is tried again, with all that are derived from them; its timeout is a
        TimeoutError. Default: Exception.
    on_crash: `rerun` runs an attempt again that was cut, by the death of its process or by a stop of all; `fail` never
        does, for what must not happen twice: then it may not have happened.
    delay: it is not begun before so much time has passed.
    expires: it is dropped if it has not begun when so much time has passed.
    priority: whole number; of those that are ready it goes ahead of what was added up to that many minutes before it.
        A negative one lets others go first. Nothing waits for ever: what waits longer comes first in the end.
    key: text; while a task of its function with the same key is unfinished no second one is stored: who asks for one
        gets the first, and `Handle.is_new` says so. None: any number of them.
    key_for: also when that has ended, until so much time has passed since it was added.
    queue: name of the queue it waits in, whose limits are those of the setting `queues`. None: it is in none.
    concurrency: how many attempts of its function may run at once, in all processes.
    rate: how often one may begin, such as "10/s", "100/m" or "1000/h".
    limit_by: name of a parameter, or of an attribute of one, `order.tenant`: concurrency and rate are those of each
        value of it, and the tasks of each value take turns, however many there are of one.
    then: a function, or a call made by its `.s(...)`, that runs when it is done, and gets what it has returned.
    on_failure: the same for when it has failed, or was dropped; gets its id and the reason, both text.
    """

    isolate: bool
    timeout: Duration | None
    memory: int | str | None
    retries: int
    backoff: Backoff | Duration
    retry_on: Exceptions
    on_crash: Literal["rerun", "fail"]
    delay: Duration
    expires: Duration | None
    priority: int
    key: str | None
    key_for: Duration
    queue: str | None
    concurrency: int | None
    rate: str | None
    limit_by: str | None
    then: Call | Callable[..., Any] | None
    on_failure: Call | Callable[..., Any] | None


class GivenByDefault(TypedDict, total=False):
    """Options of all functions that do not say otherwise, see `Given`; as a setting, so that times are seconds."""

    isolate: bool
    timeout: float
    memory: int | str
    retries: int
    backoff: float
    on_crash: Literal["rerun", "fail"]
    expires: float
    priority: int
    queue: str
    concurrency: int
    rate: str


DEFAULTS = tuple(GivenByDefault.__annotations__)


def is_option(name: str) -> bool:
    """Whether an option of a call is called so."""
    return name in _CHANGES or name == "parallel"


class GivenToFunction(Given, total=False):
    """Options of a function.

    travels: True runs it in a task process even when it seems to share module state with the web process,
        False always runs it in the web process, None finds out.
    """

    travels: bool | None


class GivenAtCall(Given, total=False):
    """Options of a single call.

    run_at: it is not begun before; a time without a zone is one of this machine's zone.
    """

    run_at: datetime


def by_default(given: Mapping[str, Any]) -> TaskOptions:
    """The options of functions that do not say otherwise. Raises OptionError, also for one that is a single task's."""
    for name in given:
        if name not in DEFAULTS and name in _CHANGES:
            raise OptionError(f"option {name!r} is that of one function or one call: there are {', '.join(DEFAULTS)}")
    return with_options(NO_OPTIONS, given)


def with_options(before: TaskOptions, given: Mapping[str, Any]) -> TaskOptions:
    """`before`, with what is given put in its place; None takes back what was said of what may be none.

    Raises OptionError for what is no option, and for a value that is none.
    """
    options = before
    for name, value in given.items():
        try:
            change = _CHANGES[name]
        except KeyError:
            raise OptionError(unknown(name)) from None
        options = change(options, value)
    if given.keys() >= _TIMES:
        raise OptionError("options 'delay' and 'run_at' say the same in two ways: give one of them")
    if given.keys() >= {"delay", "expires"}:
        refuse_if_it_never_begins(options)
    return options


def refuse_if_it_never_begins(options: TaskOptions) -> None:
    """Raises OptionError for what would have expired when it may begin, each time."""
    if options.expires is not None and options.expires <= options.delay:
        raise OptionError(
            f"option 'expires' is {options.expires:g} s and 'delay' {options.delay:g} s, so that it would always have "
            "expired before it may begin: both count from the same moment, so let 'expires' be more than 'delay'"
        )


def check_of_function(given: Mapping[str, Any]) -> None:
    """Raises OptionError for what cannot be said of a function."""
    with_options(NO_OPTIONS, given)
    if "run_at" in given:
        raise OptionError(
            "option 'run_at' is that of one call: write outlast.options(run_at=...), tasks.options(run_at=...) or "
            "function.s(...).options(run_at=...); of a function there is 'delay', and outlast.every(...)"
        )


def nearer(before: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, and then more, which holds where both say something. Raises OptionError as `with_options`."""
    with_options(NO_OPTIONS, given)
    said = _TIMES | given.keys() if _TIMES & given.keys() else given.keys()
    return {name: value for name, value in before.items() if name not in said} | dict(given)


def flag(option: str, given: Any) -> bool:
    """Raises OptionError for what is neither true nor false."""
    if not isinstance(given, bool):
        raise OptionError(f"option {option!r} is {given!r:.100}, but it has to be true or false")
    return given


def size_of(text: int | str) -> int:
    """Bytes in `text`, such as `536870912`, `"512M"`, `"1.5 GiB"`; units are powers of 1024. Raises ValueError."""
    found = _SIZE.fullmatch(as_text(text).strip())
    if found is None:
        raise ValueError(f"{text!r:.100} is not a size: write bytes, or a number with K, M or G behind it")
    size = float(found["number"]) * _UNITS[found["unit"].upper()]
    if size > MOST_SIZE:
        raise ValueError(f"{text!r:.100} is more than a pebibyte")
    return int(size)


def positive_size(option: str, given: int | str) -> int:
    """The same for an option, which has to be more than nothing. Raises OptionError."""
    try:
        size = size_of(given)
    except ValueError as error:
        raise OptionError(f"option {option!r}: {error}") from None
    if size <= 0:
        raise OptionError(f"option {option!r} is {given!r}, but it has to be more than 0 bytes")
    return size


def unknown(name: str) -> str:
    """That there is no such option, and which may be meant."""
    if name in _ELSEWHERE:
        return f"{name!r} is no option here: {_ELSEWHERE[name]}"
    near = _CALLED_SO.get(name) or next(iter(get_close_matches(name, _CHANGES, n=1)), None)
    hint = f": did you mean {near!r}?" if near else f": there are {', '.join(sorted(_CHANGES))}"
    return f"{name!r} is no option of a task{hint}"


def _isolate(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, group_size=1 if flag("isolate", given) else None)


def _timeout(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, timeout=None if given is None else seconds("timeout", given, least=_LEAST_TIME))


def _memory(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, memory=None if given is None else positive_size("memory", given))


def _retries(options: TaskOptions, given: Any) -> TaskOptions:
    most = _whole("retries", given, 0, MOST_RETRIES)
    return _with_policy(options, retries=most, by_wish=most)


def _backoff(options: TaskOptions, given: Any) -> TaskOptions:
    if not isinstance(given, Backoff):
        always = seconds("backoff", given)
        given = backoff(always, 1.0, always, "none")
    return _with_policy(options, backoff=given)


def _retry_on(options: TaskOptions, given: Any) -> TaskOptions:
    named = given if isinstance(given, tuple) else (given,)
    if not named or not all(isinstance(one, type) and issubclass(one, BaseException) for one in named):
        raise OptionError(f"option 'retry_on' is {given!r}, but it has to be an exception class, or a tuple of some")
    return _with_policy(options, retry_on=tuple(kinds_of(one)[0] for one in named))


def _on_crash(options: TaskOptions, given: Any) -> TaskOptions:
    if given not in (RERUN, FAIL):
        raise OptionError(f"option 'on_crash' is {given!r}, but it has to be {RERUN!r} or {FAIL!r}")
    return _with_policy(options, reruns=given == RERUN)


def _delay(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, delay=seconds("delay", given), run_at=None)


def _run_at(options: TaskOptions, given: Any) -> TaskOptions:
    if not isinstance(given, datetime):
        raise OptionError(f"option 'run_at' is {given!r}, but it has to be a datetime")
    try:
        at = given.timestamp()
    except (ValueError, OverflowError, OSError):
        at = nan
    if not at - time.time() <= MOST_DELAY:
        raise OptionError(f"option 'run_at' is {given!r}, which is no time within the next 100 years")
    return replace(options, delay=0.0, run_at=at)


def _expires(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, expires=None if given is None else seconds("expires", given, least=_LEAST_TIME))


def _priority(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, priority=_whole("priority", given, -MOST_PRIORITY, MOST_PRIORITY))


def _key(options: TaskOptions, given: Any) -> TaskOptions:
    if given is not None and not is_key(given):
        raise OptionError(
            f"option 'key' is {given!r:.100}, but it has to be text of 1 to {MOST_KEY} characters that can be printed"
        )
    return replace(options, key=None if given is None else as_text(given))


def _key_for(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, key_for=seconds("key_for", given))


def _queue(options: TaskOptions, given: Any) -> TaskOptions:
    return _with_limits(options, queue="" if given is None else limits.queue_name("option 'queue'", given))


def _concurrency(options: TaskOptions, given: Any) -> TaskOptions:
    most = 0 if given is None else limits.concurrency("option 'concurrency'", given)
    return _with_limits(options, limit=replace(options.limits.limit, concurrency=most))


def _rate(options: TaskOptions, given: Any) -> TaskOptions:
    every = 0.0 if given is None else limits.every("option 'rate'", given)
    return _with_limits(options, limit=replace(options.limits.limit, every=every))


def _limit_by(options: TaskOptions, given: Any) -> TaskOptions:
    return _with_limits(options, by="" if given is None else limits.parameter_path("option 'limit_by'", given))


def _with_limits(options: TaskOptions, **changes: Any) -> TaskOptions:
    return replace(options, limits=replace(options.limits, **changes))


def _then(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, sequels=replace(options.sequels, then=_call("then", given)))


def _on_failure(options: TaskOptions, given: Any) -> TaskOptions:
    return replace(options, sequels=replace(options.sequels, on_failure=_call("on_failure", given)))


def _call(option: str, given: Any) -> Call | None:
    if given is not None and not isinstance(given, Call) and not callable(given):
        raise OptionError(f"option {option!r} is {given!r:.100}, but it has to be a function, or `function.s(...)`")
    return given if given is None or isinstance(given, Call) else Call(given)


def _with_policy(options: TaskOptions, **changes: Any) -> TaskOptions:
    return replace(options, policy=replace(options.policy, **changes))


def _whole(option: str, given: Any, least: int, most: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= most:
        raise OptionError(f"option {option!r} is {given!r}, but it has to be a whole number from {least} to {most}")
    return int(given)


_CHANGES: Mapping[str, Callable[[TaskOptions, Any], TaskOptions]] = {
    "isolate": _isolate,
    "timeout": _timeout,
    "memory": _memory,
    "retries": _retries,
    "backoff": _backoff,
    "retry_on": _retry_on,
    "on_crash": _on_crash,
    "delay": _delay,
    "run_at": _run_at,
    "expires": _expires,
    "priority": _priority,
    "key": _key,
    "key_for": _key_for,
    "queue": _queue,
    "concurrency": _concurrency,
    "rate": _rate,
    "limit_by": _limit_by,
    "then": _then,
    "on_failure": _on_failure,
}
