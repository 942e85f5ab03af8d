"""The journal of a dashboard while it is open: by several at once, across forks, when another comes to its place."""

from __future__ import annotations

import os
import warnings

from outlast.board.source import MOST_IDLE, Source
from outlast.settings.settings import Settings
from tests.board.conftest import Tasks


def source_of(tasks: Tasks) -> Source:
    settings = Settings(url=tasks.url)
    return Source(lambda: settings)


def test_one_after_another_uses_the_same_connection(tasks: Tasks) -> None:
    source = source_of(tasks)
    with source.opened() as first:
        pass
    with source.opened() as second:
        assert second is first


def test_those_at_the_same_time_have_one_each(tasks: Tasks) -> None:
    source = source_of(tasks)
    with source.opened() as first, source.opened() as second:
        assert second is not first
        assert [one.survey.overview(1.0).counts["failed"] for one in (first, second)] == [0, 0]


def test_no_more_are_kept_than_are_needed(tasks: Tasks) -> None:
    source = source_of(tasks)
    several = [source.opened() for _ in range(MOST_IDLE + 3)]
    for one in several:
        one.__enter__()
    for one in several:
        one.__exit__(None, None, None)
    assert len(source._open) == MOST_IDLE


def test_a_forked_process_opens_its_own(tasks: Tasks) -> None:
    source = source_of(tasks)
    with source.opened() as before:
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        is_own = False
        try:
            with source.opened() as here:
                is_own = here is not before and here.survey.overview(1.0).counts["failed"] == 0
        finally:
            os._exit(0 if is_own else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with source.opened() as after:
        assert after is before
