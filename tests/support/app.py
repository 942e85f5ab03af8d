"""The app that the tests serve: one vocabulary of tasks, each of which leaves a line in a file outside of outlast.

Copied into a test's own folder as main.py, so it must not import from the tests.
"""

import asyncio
import atexit
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import BackgroundTasks, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

import outlast

WITNESS = os.environ.get("WITNESS", "witness.log")
VERSION = "first"  # a test that changes it stands for a person who edits the app


def witness(*words: object) -> None:
    """One line, written at once: O_APPEND makes it whole whoever else writes."""
    descriptor = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if Path("broken-lifespan").exists():
        raise RuntimeError("no connection to the database")
    if Path("exit-in-lifespan").exists():
        sys.exit("no licence was found")
    app.state.opened = True
    witness("opened", os.getpid())
    yield
    witness("closed", os.getpid())


app = FastAPI(lifespan=lifespan)
outlast.install(app)


def ok(name: str) -> None:
    witness("ran", name, os.getpid())


async def ok_async(name: str) -> None:
    witness("ran", name, os.getpid())


def sleep(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    time.sleep(seconds)
    witness("ran", name, os.getpid())


async def sleep_async(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    await asyncio.sleep(seconds)
    witness("ran", name, os.getpid())


async def block(name: str, seconds: float) -> None:
    witness("began", name, os.getpid())
    time.sleep(seconds)
    witness("ran", name, os.getpid())


def fail(name: str) -> None:
    witness("began", name, os.getpid())
    raise ValueError(f"{name} fails")


def crash(name: str) -> None:
    witness("began", name, os.getpid())
    signal.raise_signal(signal.SIGKILL)


async def crash_async(name: str, seconds: float) -> None:
    """Kills its process without a word, after the others have begun."""
    witness("began", name, os.getpid())
    await asyncio.sleep(seconds)
    signal.raise_signal(signal.SIGKILL)


def take_the_runner_down(name: str) -> None:
    """Stands for what takes a whole machine down: all that runs there is cut."""
    witness("began", name, os.getpid())
    time.sleep(0.3)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def segfault(name: str) -> None:
    witness("began", name, os.getpid())
    ctypes.string_at(0)


def leave(name: str) -> None:
    """Ends its process in order, in the middle of its work."""
    witness("began", name, os.getpid())
    os._exit(7)


@outlast.task(timeout=3.0)
async def sleep_async_at_most_3s(name: str, seconds: float) -> None:
    try:
        await sleep_async(name, seconds)
    finally:
        witness("cleaned", name)


@outlast.task(timeout=3.0)
async def block_at_most_3s(name: str, seconds: float) -> None:
    await block(name, seconds)


@outlast.task(timeout=3.0)
def sleep_at_most_3s(name: str, seconds: float) -> None:
    sleep(name, seconds)


def listen(name: str) -> None:
    """A `def` that asks now and then whether it has to end."""
    witness("began", name, os.getpid())
    try:
        while True:
            outlast.current().check()
            time.sleep(0.01)
    finally:
        witness("cleaned", name)


async def clean_up_async(name: str) -> None:
    """A coroutine that takes a moment to give back what it has."""
    witness("began", name, os.getpid())
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0.3)
        witness("cleaned", name)


async def wait_in_a_thread(name: str) -> None:
    """A coroutine that waits for a thread, which nobody can stop."""
    witness("began", name, os.getpid())
    try:
        await asyncio.to_thread(time.sleep, 60)
    finally:
        witness("cleaned", name)


async def swallow(name: str) -> None:
    """A coroutine that cannot be told to end."""
    witness("began", name, os.getpid())
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            witness("swallowed", name)


async def block_in_a_subtask(name: str, seconds: float) -> None:
    """The blocking call is in a task that the task has made."""
    await asyncio.gather(block(name, seconds), asyncio.sleep(0))


async def block_and_swallow(name: str) -> None:
    """Blocks the event loop whatever is raised in it."""
    witness("began", name, os.getpid())
    while True:
        try:
            time.sleep(60)
        except BaseException:  # noqa: BLE001 - that is the mistake
            witness("swallowed", name)


async def _exit() -> None:
    sys.exit("bad input")


async def _press_ctrl_c() -> None:
    raise KeyboardInterrupt


async def exit_when_gathered(name: str) -> None:
    """The exit is in a task that the task has made, and waits for."""
    witness("began", name, os.getpid())
    await asyncio.gather(_exit(), asyncio.sleep(60))


async def exit_beside(name: str) -> None:
    """The exit is in a task that the task has made and does not wait for."""
    witness("began", name, os.getpid())
    beside = asyncio.create_task(_exit())
    await asyncio.sleep(60)
    await beside


async def exit_in_a_callback(name: str) -> None:
    """The exit is in a callback of the event loop."""
    witness("began", name, os.getpid())
    asyncio.get_running_loop().call_soon(sys.exit, "bad input")
    await asyncio.sleep(60)


async def interrupt_when_gathered(name: str) -> None:
    """The same with what Ctrl-C raises."""
    witness("began", name, os.getpid())
    await asyncio.gather(_press_ctrl_c())


async def stop_the_loop(name: str) -> None:
    """Takes the event loop for its own."""
    witness("began", name, os.getpid())
    asyncio.get_running_loop().stop()


async def cancel_everybody(name: str) -> None:
    """As an example of a graceful stop has it."""
    witness("began", name, os.getpid())
    others = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def cancel_itself(name: str) -> None:
    """What is its own, it may cancel."""
    witness("began", name, os.getpid())
    current = asyncio.current_task()
    if current is not None:
        current.cancel()
    await asyncio.sleep(60)


async def await_what_was_cancelled(name: str) -> None:
    """What a client library raises that somebody has closed meanwhile."""
    witness("began", name, os.getpid())
    request = asyncio.create_task(asyncio.sleep(60))
    request.cancel()
    await request


def wait_for_what_was_cancelled(name: str) -> None:
    """The same in a thread."""
    asyncio.run(await_what_was_cancelled(name))


async def gather_until_told(name: str) -> None:
    """A task whose work is in tasks that it has made."""
    await asyncio.gather(until_told_async(name), asyncio.sleep(0))


def hog(name: str) -> None:
    """C code that holds the interpreter's lock for minutes, and asks nobody."""
    witness("began", name, os.getpid())
    sum(range(10**11))


async def backtrack(name: str) -> None:
    """A regular expression that takes for ever, on the event loop; C code that looks for signals."""
    witness("began", name, os.getpid())
    re.match(r"(a+)+$", "a" * 60 + "b")


def grow_until_killed(name: str) -> None:
    witness("began", name, os.getpid())
    taken = []
    while True:
        taken.append(bytearray(os.urandom(1 << 20)))


@outlast.task(memory="100M")
def grow(name: str, megabytes: float) -> None:
    witness("began", name, os.getpid())
    taken = bytearray(int(megabytes * (1 << 20)))
    witness("ran", name, len(taken))


def fill_memory() -> None:
    """Small pieces, to the brim; held until whoever is told of it has no frame of this any more."""
    taken: list[list[None]] = []
    try:
        while True:
            taken.append([None] * (1 + len(taken) % 60))
    finally:
        del taken


@outlast.task(memory="50M")
def fill_and_go_on(name: str) -> None:
    """Survives its MemoryError: it lets go of what it has."""
    try:
        fill_memory()
    except MemoryError:
        time.sleep(0.5)
    witness("ran", name, os.getpid())


@outlast.task(memory="50M")
async def fill_and_go_on_async(name: str) -> None:
    """The same on the event loop, which goes on beside it."""
    try:
        fill_memory()
    except MemoryError:
        await asyncio.sleep(0.5)
    witness("ran", name, os.getpid())


@outlast.task(memory="50M")
def fill_and_fail(name: str) -> None:
    fill_memory()


@outlast.task(memory="50M")
async def fill_and_fail_async(name: str) -> None:
    fill_memory()


@outlast.task(isolate=True)
async def isolated(name: str) -> None:
    await until_told_async(name)


async def ask_for_another(name: str) -> None:
    """A task that asks for a task."""
    await outlast.enqueue(ok_async, f"{name}-and-another")


def look_around(name: str) -> None:
    """What a task process has of its server: environment, folder, the app after its lifespan's start."""
    witness("sees", name, os.environ.get("TOKEN"), Path.cwd(), getattr(app.state, "opened", False))


def look_at_flags(name: str) -> None:
    """How the interpreter of a task process was started."""
    witness("flags", name, sys.flags.optimize, sys.flags.dev_mode, "error::UserWarning" in sys.warnoptions)


def fork_and_sleep(name: str, seconds: float) -> None:
    """A task that starts a process of its own, as multiprocessing does."""
    child = os.fork()
    if child == 0:
        witness("forked", name, os.getpid())
        time.sleep(60)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    witness("ran", name, os.getpid())


def leave_an_orphan(name: str) -> None:
    """A task whose process has started one that has started another, which nobody waits for."""
    between = os.fork()
    if between == 0:
        if os.fork() == 0:
            os.setsid()
            witness("orphan", name, os.getpid())
        os._exit(0)
    os.waitpid(between, 0)
    witness("ran", name, os.getpid())


def until_told(name: str) -> None:
    """A task that runs until there is a file of its name."""
    witness("began", name, os.getpid())
    while not Path(f"{name}.told").exists():
        time.sleep(0.01)
    witness("ran", name, os.getpid())


async def until_told_async(name: str, seconds: float = 0.0) -> None:
    """The same as a coroutine, which goes on for some seconds after it has been told to end."""
    witness("began", name, os.getpid())
    while not Path(f"{name}.told").exists():
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    witness("ran", name, os.getpid())


async def block_until_told(name: str) -> None:
    """The same as a coroutine that blocks its event loop meanwhile."""
    until_told(name)


def fork_until_told(name: str) -> None:
    """The same, beside a process that the task has started."""
    forked = os.fork()
    if forked == 0:
        witness("forked", name, os.getpid())
        time.sleep(60)
        os._exit(0)
    until_told(name)
    os.kill(forked, signal.SIGKILL)
    os.waitpid(forked, 0)


def say(name: str) -> None:
    """A task that writes to both of its server's streams."""
    print("said", name, VERSION, flush=True)
    print("complained", name, VERSION, file=sys.stderr, flush=True)
    witness("ran", name, os.getpid(), VERSION)


async def shout(name: str) -> None:
    """A coroutine that prints more than fits into a pipe, and so waits for whoever reads it."""
    witness("began", name, os.getpid())
    for _ in range(2000):
        print("x" * 99)
    witness("ran", name, os.getpid())


def flush_at_exit(name: str) -> None:
    """A task whose process has to say something in the end, as telemetry does."""

    def flush() -> None:
        time.sleep(0.3)
        witness("flushed", name, os.getpid())

    atexit.register(flush)
    witness("ran", name, os.getpid())


def tell_time(name: str) -> None:
    """What a task process takes for the time."""
    witness("time", name, int(time.time()))


TASKS = {
    function.__name__: function
    for function in (
        *(ok, ok_async, sleep, sleep_async, block, fail, crash),
        *(crash_async, segfault, isolated, sleep_async_at_most_3s, block_at_most_3s, sleep_at_most_3s),
        *(leave, leave_an_orphan),
        *(
            listen,
            swallow,
            clean_up_async,
            wait_in_a_thread,
            block_in_a_subtask,
            block_and_swallow,
            hog,
            backtrack,
            grow,
            grow_until_killed,
        ),
        *(ask_for_another, look_around, fork_and_sleep, until_told, fork_until_told, say, flush_at_exit, tell_time),
        *(
            until_told_async,
            block_until_told,
            gather_until_told,
            cancel_itself,
            await_what_was_cancelled,
            wait_for_what_was_cancelled,
            cancel_everybody,
            stop_the_loop,
        ),
        *(shout, take_the_runner_down, look_at_flags),
        *(fill_and_go_on, fill_and_go_on_async, fill_and_fail, fill_and_fail_async),
        *(exit_when_gathered, exit_beside, exit_in_a_callback, interrupt_when_gathered),
    )
}


@app.get("/ping")
async def ping() -> int:
    return os.getpid()


@app.get("/add/{task}/{name}")
async def add(task: str, name: str, background_tasks: BackgroundTasks, seconds: float | None = None) -> int:
    """Add one task; answers with the pid of the web worker."""
    arguments = () if seconds is None else (seconds,)
    background_tasks.add_task(TASKS[task], name, *arguments)
    return os.getpid()


@app.get("/line/{count}/{odd}")
async def line(count: int, odd: str, background_tasks: BackgroundTasks) -> None:
    """Add tasks that run one after another, named by their number: plain ones, and one `odd` in the middle."""
    for number in range(count):
        function: Any = TASKS[odd] if number == count // 2 else ok if number % 2 else ok_async
        background_tasks.add_task(function, f"{number:03}")


@app.get("/steps/{line}/{count}")
async def steps(line: str, count: int, background_tasks: BackgroundTasks) -> None:
    """Add tasks that run one after another and take a moment each, named by their line and their number."""
    for number in range(count):
        background_tasks.add_task(sleep if number % 2 else sleep_async, f"{line}-{number:03}", 0.01)


@app.get("/hold/{name}")
async def hold(name: str) -> StreamingResponse:
    """A response that starts and never ends, so that its task stays held."""

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(60)

    return StreamingResponse(body(), background=BackgroundTask(ok, name))


@app.get("/refuse/{name}")
async def refuse(name: str, background_tasks: BackgroundTasks) -> None:
    """Add a task, then fail the request."""
    background_tasks.add_task(ok, name)
    raise HTTPException(409)


@app.get("/cancel/{task}")
async def cancel(task: str) -> bool:
    """Cancel a task by its id."""
    return await outlast.cancel(task)


@app.get("/handle/{function}/{name}")
async def handle(function: str, name: str, tasks: outlast.BackgroundTasks, timeout: float | None = None) -> str:
    """Add a task by outlast's own class; answers with its id."""
    arguments: tuple[Any, ...] = (name, 60.0) if timeout else (name,)
    return tasks.options(timeout=timeout).add_task(TASKS[function], *arguments).id


@app.get("/regret/{name}")
async def regret(name: str, tasks: outlast.BackgroundTasks) -> bool:
    """Add a task and cancel it in the same request."""
    return await tasks.add_task(ok, name).cancel()


@app.get("/enqueue-and-regret/{name}")
async def enqueue_and_regret(name: str) -> list[bool]:
    """Enqueue a task that runs until it is told, and cancel it twice."""
    handle = await outlast.enqueue(until_told, name)
    return [await handle.cancel(), await handle.cancel()]


root = FastAPI()
root.mount("/", app)  # which gets no lifespan then


def build() -> FastAPI:
    """For servers that are given a factory."""
    return app


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="info")
