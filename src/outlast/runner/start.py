"""From a bare process to a running runner: its lock, its log, its place in the process tree."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from outlast.errors import OutlastError, WorkerRefused
from outlast.events import processes
from outlast.events.event import log
from outlast.journal.engines import open_journal
from outlast.journal.location import prepare_folder, reached, url_at
from outlast.runner.output import Output
from outlast.runner.refusal import PATIENCE
from outlast.runner.runner import Runner
from outlast.runner.sweeping import sweeping
from outlast.runner.voice import Voice
from outlast.system.kernel import become_subreaper
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.wire.hello import Hello

LOCK_PATIENCE = 1.0  # seconds: the last runner may be on its way out


def start(path: str, state: str | None, *, is_shared: bool) -> None:
    """Run as the runner that a web worker asked for. Another one may have been faster: then there is nothing to do."""
    with logging_to_stderr(is_told=True) as voice:
        try:
            place = Place.of(Path(path), is_shared=is_shared, state=Path(state) if state else None)
            run(place, voice, when_it_listens=leave_stdout)
        except WorkerRefused:
            return
        except OutlastError as error:
            processes.RunnerGivesUp(str(error)).tell()
            sys.exit(1)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the end
            processes.RunnerBroke(os.getpid()).tell(error)
            sys.exit(1)


def leave_stdout() -> None:
    """Who started this process waits for that, and nothing is printed."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def run(
    place: Place, voice: Voice, standing: Hello | None = None, *, when_it_listens: Callable[[], None] = lambda: None
) -> None:
    """Be the runner of the journal at `place` until there is nothing left to do.

    `voice` is its log, `standing` what `outlast worker` says of itself, which stays without a web worker. Raises
    WorkerRefused when the journal has a runner, JournalUnusable or StoreFailed when it cannot be opened.
    """
    become_subreaper()
    prepare_folder(place)
    with reached(place.journal):
        liveness = Liveness(place)
    deadline = time.monotonic() + LOCK_PATIENCE
    while not liveness.become_runner():
        if time.monotonic() > deadline:
            raise WorkerRefused(f"runner {liveness.runner()} already moves the tasks of {place.journal}: stop it first")
        time.sleep(0.02)
    with (
        closing(open_journal(url_at(place), patience=PATIENCE, checkpoints=True, is_shared=place.is_shared)) as journal,
        sweeping(place),
    ):
        runner = Runner(journal, place, liveness, voice, standing)
        when_it_listens()
        runner.run()


@contextmanager
def logging_to_stderr(*, is_told: bool = False) -> Iterator[Voice]:
    """One line per event. What cannot be written there is not worth waiting for. `is_told`: see Voice."""
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    output = sys.stderr = Output()
    voice = Voice(output, is_told=is_told)
    logging.getLogger().addHandler(voice)
    log.setLevel(logging.INFO)
    try:
        yield voice
    finally:
        logging.getLogger().removeHandler(voice)
        sys.stderr = sys.__stderr__
        voice.finish()
