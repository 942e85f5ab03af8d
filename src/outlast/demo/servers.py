"""Start one gunicorn with the article's app in a folder of its own, keep what it logs, and always end it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from outlast.demo.logbook import Sighting, port_in, read
from outlast.demo.plan import DemoPlan, Side
from outlast.system.ending import LOOK, end_runner
from outlast.system.liveness import living_runner
from outlast.system.place import DEFAULT_JOURNAL, Place

START_LIMIT = 30.0
STOP_LIMIT = 3.0
LONGEST_LINE = 1 << 20
_NOT_INHERITED = ("OUTLAST_", "ARTICLE_", "GUNICORN_", "WEB_CONCURRENCY")


class ServerFailed(Exception):
    """A server of the demo did not start."""


class DemoServer:
    """A running gunicorn: its port, all its log lines, what of them matters, and where outlast keeps its journal."""

    def __init__(self, side: Side, process: Process, clock: Callable[[], float], place: Place) -> None:
        self.side = side
        self.place = place
        self.lines: list[str] = []
        self.sightings: list[Sighting] = []
        self._process = process
        self._clock = clock
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    async def port(self) -> int:
        """The port, as soon as gunicorn has said it. Raises ServerFailed if it does not."""
        try:
            return await asyncio.wait_for(asyncio.shield(self._port), START_LIMIT)
        except TimeoutError:
            raise self.failed(f"said no port within {START_LIMIT:g} s") from None

    def failed(self, how: str) -> ServerFailed:
        log = "\n".join(f"    {line}" for line in self.lines[-30:])
        return ServerFailed(f"the server {self.side.name!r} {how}; its log:\n{log or '    (empty)'}")

    async def collect_log(self) -> None:
        stream = self._process.stdout
        assert stream is not None  # noqa: S101 - asked for with PIPE
        async for raw in stream:
            self._note(raw.decode(errors="replace").rstrip())
        if not self._port.done():
            self._port.set_exception(self.failed("ended before it listened"))
            self._port.exception()  # asked for, since nobody may wait for it any more

    def _note(self, line: str) -> None:
        self.lines.append(line)
        if sighting := read(self._clock(), line):
            self.sightings.append(sighting)
        port = port_in(line)
        if port and not self._port.done():
            self._port.set_result(port)


@asynccontextmanager
async def serving(side: Side, plan: DemoPlan, article: Path, clock: Callable[[], float]) -> AsyncIterator[DemoServer]:
    """Serve the article's app as the article does, on a free port of the loopback, until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"outlast-demo-{side.name}-"))
    place = Place.of(folder / ".outlast" / DEFAULT_JOURNAL)
    try:
        shutil.copy(article, folder / "main.py")
        process = await _start(_command(plan), folder, _environment(side, plan, folder))
        server = DemoServer(side, process, clock, place)
        reading = asyncio.create_task(server.collect_log())
        try:
            yield server
        finally:
            await _stop(process)
            await _see_off(reading, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(plan: DemoPlan) -> list[str]:
    options = f"-b 127.0.0.1:0 -w 1 -t {plan.worker_timeout} -k uvicorn_worker.UvicornWorker main:app"
    return [sys.executable, "-m", "gunicorn", *options.split()]


def _environment(side: Side, plan: DemoPlan, folder: Path) -> Mapping[str, str]:
    """The caller's environment without what would change the demo.

    gunicorn's control socket is one file per user, which the demo must not take from another server: hence
    XDG_RUNTIME_DIR.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    return inherited | {
        "ARTICLE_OUTLAST": side.switch,
        "ARTICLE_SECONDS": f"{plan.task_seconds:g}",
        "PYTHONPATH": os.pathsep.join(_absolute(os.environ.get("PYTHONPATH", ""))),
        "XDG_RUNTIME_DIR": str(folder),
    }


def _absolute(search_path: str) -> list[str]:
    return [str(Path(entry).absolute()) for entry in search_path.split(os.pathsep) if entry]


async def _start(command: list[str], folder: Path, environment: Mapping[str, str]) -> Process:
    # In a session of its own Ctrl-C reaches only the demo, which then ends the server in order.
    return await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        limit=LONGEST_LINE,
        start_new_session=True,
    )


async def _stop(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_LIMIT)
    except TimeoutError:
        _kill(process)
        await process.wait()
    finally:
        _kill(process)


async def _see_off(reading: asyncio.Task[None], place: Place) -> None:
    """End what outlives a server: a runner waits for the next one, and would put back a journal that is taken away.

    It may be on its way only, as long as somebody holds the pipe of the log, which it lets go of once it is there.
    """
    give_up = time.monotonic() + START_LIMIT
    while ((runner := living_runner(place)) or not reading.done()) and time.monotonic() < give_up:
        if runner:
            await asyncio.to_thread(end_runner, place, runner, now=True)
        await asyncio.wait([reading], timeout=LOOK)
    reading.cancel()


def _kill(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
