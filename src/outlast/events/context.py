"""The sentences about context variables that cannot be as FastAPI alone has them."""

from __future__ import annotations

from outlast.text import MOST_NAME, kib_above, one_line

_PLAIN = "keep plain values in it"


def too_large(size: int, most: int) -> str:
    return (
        f"holds {kib_above(size, most)} KiB of JSON, more than the {most // 1024} KiB that travel: "
        "keep a key in it, by which the task finds the rest"
    )


def too_many(most: int) -> str:
    return f"holds more than {most} values: keep a key in it, by which the task finds the rest"


def too_much(most: int) -> str:
    return (
        f"would make what the context variables of one request hold more than {most // 1024} KiB: leave some out, "
        "install(app, carry={variable: False})"
    )


def would_change(what: str, back: str) -> str:
    """Why a value does not travel that JSON brings back as something else."""
    return f"{what}, which would come back as {back}: say what it holds, `ContextVar[...]`, or {_PLAIN}"


def holds(what: str, remedy: str) -> str:
    """Why a variable of that type does not travel."""
    return f"holds {what}, which cannot travel to another process: {remedy}"


HAS_NO_NAME = (
    "no module holds under a name, so that no other process finds it: put it at the top level of one, or list it, "
    "install(app, carry={variable: True})"
)


def is_callable(what: str) -> str:
    return f"is {what}, which a context variable cannot carry to another process: pass it as an argument, or {_PLAIN}"


def read_by(function: str, path: str, where: str, why: str) -> str:
    """Why a task cannot run in another process: it reads what does not travel."""
    return (
        f"{function} reads the context variable {one_line(path, MOST_NAME)} ({where}), which {why}; decorate it with "
        "@outlast.task(travels=True) if it may run without"
    )


def missed_through(function: str, package: str, path: str, why: str) -> str:
    """What is said of a task that uses a library whose variable does not travel."""
    return (
        f"{function} uses {package}, whose context variable {one_line(path, MOST_NAME)} does not come along to its "
        f"task process: it {why}; install(app, carry={{{package!r}: False}}) keeps this quiet"
    )


def not_carried(path: str, why: str) -> str:
    """What is said of a variable that was asked for by `carry`, and does not travel."""
    return f"the context variable {one_line(path, MOST_NAME)} does not come along to the task, as carry asks: it {why}"


def not_here(path: str) -> str:
    """What is said where a task runs of a variable that its request had."""
    return (
        f"the context variable {one_line(path, MOST_NAME)} of a request is not set for its task: no module that is "
        "imported here holds it; was it renamed, or is its module imported in the web worker only?"
    )


def not_understood(path: str, why: str) -> str:
    """The same of one whose value means nothing here."""
    return (
        f"the context variable {one_line(path, MOST_NAME)} of a request is not set for its task, since what is stored "
        f"of it is not understood here ({why}): it was stored by another version of the code"
    )


def not_entered(library: str, why: str) -> str:
    """What is said where a library cannot put round a task what it puts round a request."""
    return (
        f"{library} records no transaction for tasks: {why}; is its version one that outlast knows? "
        f"install(app, carry={{{library!r}: False}}) keeps this quiet"
    )
