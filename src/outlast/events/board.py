"""The sentences of the dashboard: who may see it, and what a page says where there is nothing to show."""

from __future__ import annotations

from logging import WARNING

from outlast.events.event import Event
from outlast.events.words import TASK_PROCESS, WEB_WORKER

NO_GUARD = (
    "This dashboard is closed, since nobody has said who may see it. Say so: "
    "outlast.install(app, dashboard='/outlast', dashboard_guard=is_admin), or outlast.dashboard(app, guard=is_admin). "
    "Without a guard it opens only to a browser on the same machine, and only with FastAPI(debug=True)"
)
FORBIDDEN = "You may not see this dashboard"
NO_KEY = (
    "This dashboard is for who has the address that `outlast dashboard` has printed. It has a key in it, a new one "
    "at each start: open that"
)
NOT_FROM_HERE = (
    "This request came from another site, or does not say from where (Sec-Fetch-Site, Origin): nothing was changed. If "
    "this was your own click, a proxy in between has to pass on the Host that the browser asks for (nginx: "
    "proxy_set_header Host $http_host)"
)
READ_ONLY = "This dashboard is read-only: nothing was changed"
TOO_LARGE = "This request is too large: nothing was changed"
NO_SUCH_ACTION = "This is nothing that can be done here: nothing was changed"
NO_SUCH_PAGE = "There is no such page"
NO_JOURNAL = "Nobody has stored a task yet: the journal is made with the first one"
NOT_THERE = "none of this kind is there any more"
MORE_THAN_AT_ONCE = "There may be more: these are the newest, as many as are changed at once."
RUNS_AGAIN = "Each runs again, with the same arguments."
IS_CANCELLED = "What has not begun never runs; what runs is told to stop."
IS_DELETED = "What is deleted is forgotten, with all that happened to it. Nobody can undo that."
NEEDS_JINJA = "the dashboard needs jinja2, which is not installed: pip install 'outlast[dashboard]'"
NEEDS_UVICORN = "`outlast dashboard` needs uvicorn, which is not installed: pip install uvicorn"
NO_BROWSER = "no browser was found: open this address"


NOBODY_COMES_IN = "the dashboard has no guard and the app is not debugged, so nobody can see it"
GIVE_A_GUARD = "say who may: outlast.install(app, dashboard=..., dashboard_guard=is_admin)"


NOT_CALLED = "cannot be called"
NOT_WITH_A_REQUEST = "cannot be called with a request alone"


def depends(parameter: str) -> str:
    return f"has the parameter `{parameter}`, which only FastAPI fills, for an endpoint"


def no_guard(guard: str, why: str) -> str:
    return f"{guard} is no guard of the dashboard, since it {why}: write `def is_admin(request: Request) -> bool`"


def is_repeat_of(task: str) -> str:
    return f"this is a new task, with the arguments and options of task {task}"


def not_repeated(why: str) -> str:
    return f"There is no new task like this one: {why}"


class DashboardClosed(Event, level=WARNING):
    path: str
    sentence = (
        "somebody has asked for the dashboard at {path}, which is closed, since it has no guard: give it one, "
        "outlast.install(app, dashboard_guard=is_admin)"
    )


class GuardUnclear(Event, level=WARNING):
    answer: str
    sentence = (
        "the guard of the dashboard has returned {answer}, and lets nobody in: only True does (it may also return a "
        "Response, or raise HTTPException)"
    )


def of_kind(function: str, exception: str) -> str:
    """Which failed tasks are meant."""
    return f"failed, of {function}, with {exception}"


def more_than_failed_last(count: str) -> str:
    """Why there may be more of a kind than these: who looks at failures looks at so many."""
    return f"There may be more: these are among the {count} tasks that have failed last."


def what_it_means(kind: str, process: str) -> str:
    """Of an incident in a process, to who has never heard of such a thing; empty where nothing can be said."""
    return _MEANINGS.get((kind, process), "")


_MEANINGS = {
    ("stall", WEB_WORKER): (
        "A web worker answers all its requests on one event loop. While one piece of code keeps that loop to itself, "
        "no other request is answered, and the server may take the worker for dead and kill it, with all requests in "
        "it."
    ),
    ("stall", TASK_PROCESS): (
        "A task process runs its `async def` tasks on one event loop. While one piece of code keeps that loop to "
        "itself, the others in this process wait. Requests do not: tasks run outside of web workers. New tasks go to "
        "another process, and from its next call on a function that has blocked runs in a process of its own, until "
        "its code changes."
    ),
    ("death", WEB_WORKER): (
        "The requests that were in this process got no answer. Tasks that were accepted are in the journal, and run: "
        "they are not in web workers, but for those that are said to run inline."
    ),
    ("death", TASK_PROCESS): (
        "The tasks in this process were cut. They are in the journal, and most run again: what became of each stands "
        "below. Web workers have gone on."
    ),
}


def how_to_mend(cause: str) -> str:
    """What to do about an incident of this cause; empty where nothing is to be done."""
    return _REMEDIES.get(cause, "")


NOT_KNOWN = (
    "What has ended it is not known, and nobody guesses here. Look into the log of the server, of whatever started it, "
    "and of the kernel (`dmesg`, `journalctl -k`) at that time."
)
_REMEDIES = {
    "blocked": (
        "The last lines of the stack are the call that has kept the event loop. In an `async def`, await instead of "
        "waiting: `await asyncio.sleep(5)` for `time.sleep(5)`, an async client (`httpx.AsyncClient`) for a blocking "
        "one (`requests`). Or make the function a plain `def`, which runs in a thread. What computes for long belongs "
        "into a task that is a `def`."
    ),
    "held": (
        "Code in C has kept the interpreter's lock, so that no thread ran: a regular expression, a large JSON, a "
        "library. Give it smaller pieces, or run it in a task with `@outlast.task(isolate=True)`, whose process is its "
        "own."
    ),
    "saturated": (
        "Nobody is to blame alone: the event loop had more to do than one process can. Start more web workers, or do "
        "less per request."
    ),
    "starved": (
        "No code is to blame: the machine had no processor for it. Run fewer processes, or give it more processors (in"
        " a container a higher CPU limit)."
    ),
    "frozen": (
        "The process stood still as a whole, or slept with the interpreter's lock. Look for who stops it: SIGSTOP, a "
        "debugger, a machine that is paused or suspended."
    ),
    "timeout": (
        "Its server took it for dead, since it was silent for too long, and killed it. Look at what blocked it, not at "
        "the timeout."
    ),
    "drain": (
        "It was told to stop and was not done in time. Answer slow requests sooner, or allow more time "
        "(`--graceful-timeout`, `--timeout-graceful-shutdown`)."
    ),
    "memory": (
        "The kernel ended it for want of memory. Raise the limit, set `max_rss`, or say what a task may take: "
        "`@outlast.task(memory=...)`."
    ),
    "crash": (
        "A library in C has broken the process, and the stack says in which call. Update it, or give the task a "
        "process of its own: `@outlast.task(isolate=True)`."
    ),
    "signal": (
        "Somebody has ended it from outside: a person, a supervisor, or the kernel where it had no memory left outside "
        "of this container. Their logs say who."
    ),
    "stopped": (
        "Its task did not listen when it was told to stop. Let a `def` call `outlast.current().check()` now and then."
    ),
    "exit": "Something in it has called `os._exit` or the like. Raise an exception instead.",
    "start": "It ended before it was ready. What it has printed has the reason: most often an import, or the lifespan.",
}
