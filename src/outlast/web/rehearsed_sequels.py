"""What runs after other tasks in a test that has no journal: begun, given up or forgotten as a journal would."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any

from outlast.events import sequels as words
from outlast.ids import shown
from outlast.system.process import this
from outlast.tasks.sequel import MOST_ARGUMENTS, Broken, Gets, Step, step, with_failure, with_results
from outlast.tasks.task import NewTask, Sequel, State, sequels_of
from outlast.web.background import StandIn
from outlast.web.installed import InstalledApp
from outlast.web.parts import Part, keep, part_of, parts


def add(task: NewTask, app: InstalledApp) -> None:
    """All that runs after a new one. From now on it waits for that."""
    for sequel in sequels_of([task]):
        _hold_back(keep(sequel.task, app, sequel), sequel)


def _hold_back(part: Part, sequel: Sequel) -> None:
    why = words.waits_for(sequel.before, is_for_failure=sequel.gets == Gets.FAILURE)
    part.call, part.is_given_up = None, False
    part.change(state=State.WAITING.label, reason=why, run_at=None, ended_at=None)
    this.rehearsal.sequels.append(sequel)


def go_on(ended: int) -> None:
    """What has waited for the end of that task begins, or is given up, and so on."""
    touched = [one for one in this.rehearsal.sequels if ended in one.before]
    decided = {one.task.id for one in touched if _is_decided(one)}
    if decided:
        this.rehearsal.sequels = [one for one in this.rehearsal.sequels if one.task.id not in decided]
    for one in filter(_has_ended, decided):
        go_on(one)


def _is_decided(sequel: Sequel) -> bool:
    part, gets = part_of(sequel.task.id), Gets(sequel.gets)
    if part is None or part.has_ended:
        return True
    broken = next((one for before in sequel.before if (one := _broken(before, gets)) is not None), None)
    match what := step(gets, broken, is_open=not all(map(_has_ended, sequel.before))):
        case Step.GO:
            _go(part, sequel, broken)
        case Step.GIVE_UP if broken is not None:
            state = State.CANCELLED if broken.state is State.CANCELLED else State.DROPPED
            _give_up(part, state, _why(broken))
        case Step.FORGET:
            _forget(part)
    return what is not Step.WAIT


def _has_ended(number: int) -> bool:
    part = part_of(number)
    return part is None or part.has_ended


def _broken(number: int, gets: Gets) -> Broken | None:
    """A task that has ended so that what `gets` that of it cannot run; or, where that is for a failure, so that it can.

    Of what has ended otherwise than by itself all that runs after it is as if it was cancelled.
    """
    part = part_of(number)
    if part is None:
        return Broken(number, State.DROPPED, words.DELETED)
    state = State.CANCELLED if part.is_unasked else part.state
    is_lost = state is State.DONE and bool(part.returned.lost) and gets in (Gets.RESULT, Gets.RESULTS)
    has_failed = state in (State.FAILED, State.DROPPED) or (state is State.CANCELLED and gets is not Gets.FAILURE)
    return Broken(number, state, part.standing.record.reason) if is_lost or has_failed else None


def _why(broken: Broken) -> str:
    """In one sentence; of a whole line that is given up, which of them has ended so."""
    part = part_of(broken.id)
    if part is not None and part.is_given_up:
        return part.standing.record.reason
    name = part.standing.record.function if part is not None else ""
    return words.given_up(broken.id, name, broken.state.label, broken.reason)


def _go(part: Part, sequel: Sequel, broken: Broken | None) -> None:
    assert sequel.call is not None  # noqa: S101 - asked by who knows it
    try:
        arguments = _arguments(sequel, broken)
    except OverflowError:
        _give_up(part, State.DROPPED, words.too_large(MOST_ARGUMENTS))
        return
    part.task = part.task._replace(arguments=arguments)
    part.change(arguments=arguments, reason="")
    part.set_times()
    args = sequel.call.args if arguments else (*_handed(sequel, broken), *sequel.call.args)
    call = StandIn(sequel.call.function, *args, **sequel.call.kwargs).kept(None, sequel.task.id)
    with suppress(Exception):  # it is raised when it begins
        call = part.as_stored(call)
    part.wait(call)


def _handed(sequel: Sequel, broken: Broken | None) -> tuple[Any, ...]:
    """The same for what stands in for a function, and takes it as it is."""
    match Gets(sequel.gets):
        case Gets.NOTHING:
            return ()
        case Gets.FAILURE:
            return (shown(broken.id), broken.reason) if broken else ("", "")
        case gets:
            results = [part.standing.result if (part := part_of(one)) is not None else None for one in sequel.before]
            return (results,) if gets is Gets.RESULTS else (results[0],)


def _arguments(sequel: Sequel, broken: Broken | None) -> str:
    """With what it gets of those that it has waited for, as JSON. Raises OverflowError."""
    given, parameters, gets = sequel.task.arguments or "", sequel.parameters, Gets(sequel.gets)
    if gets is Gets.NOTHING or not parameters:
        return given
    if gets is Gets.FAILURE:
        its = broken or Broken(0, State.FAILED, "")
        return with_failure(given, parameters, shown(its.id), its.reason)
    results = [part.returned.result if (part := part_of(one)) is not None else None for one in sequel.before]
    return with_results(given, parameters[0], results, as_list=gets is Gets.RESULTS)


def _give_up(part: Part, state: State, why: str) -> None:
    part.end_unrun(state, why)
    part.is_given_up = True
    part.tell_end()


def _forget(part: Part) -> None:
    """Nothing has failed: with all that runs after it. One that ran for a failure before is kept."""
    line = list(_with_all_behind([part]))
    if any(one.standing.record.attempt or one.state is not State.WAITING for one in line):
        _give_up(part, State.DROPPED, words.NOT_NEEDED)
        return
    gone = {one.task.id for one in line}
    for one in gone:
        this.rehearsal.tasks.pop(one, None)
    this.rehearsal.sequels = [one for one in this.rehearsal.sequels if one.task.id not in gone]


def _with_all_behind(some: Iterable[Part]) -> Iterator[Part]:
    for one in some:
        yield one
        yield from _with_all_behind(_behind(one))


def _behind(part: Part) -> list[Part]:
    return [one for one in parts() if one.sequel is not None and part.task.id in one.sequel.before]


def to_run_again(part: Part) -> list[Part]:
    """That one, those that ended before it so that it could not run, and what was given up after any of them."""
    known = {part.task.id: part}
    waiting = [part]
    while waiting:
        one = waiting.pop()
        new = [*_blamed(one), *(each for each in _behind(one) if _waits_again(each))]
        waiting += [each for each in new if each.task.id not in known]
        known |= {each.task.id: each for each in new}
    return list(known.values())


def _blamed(part: Part) -> list[Part]:
    """Those for whose ends it was given up."""
    if part.sequel is None or not part.is_given_up:
        return []
    gets = Gets(part.sequel.gets)
    return [one for before in part.sequel.before if _broken(before, gets) and (one := part_of(before)) is not None]


def _waits_again(part: Part) -> bool:
    has_run_for_failure = part.sequel is not None and part.sequel.gets == Gets.FAILURE and part.call is not None
    return part.has_ended and (part.is_given_up or has_run_for_failure)


def hold_back_again(some: Collection[Part], asked: Part) -> list[Part]:
    """These run again, `asked` by name: who runs after others waits for those first. Returns the others."""
    free = []
    for one in some:
        if one.sequel is not None and (one.call is None or (one.sequel.gets == Gets.FAILURE and one is not asked)):
            _hold_back(one, one.sequel)
        else:
            free.append(one)
    return free
