"""A child that has ended: how, and what that means for the attempts that were in it."""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from outlast.events import endings, hindrances, processes, words
from outlast.runner.blame import happenings_by_blame
from outlast.runner.children import Child
from outlast.tasks.outcome import Cut, Happening, Unbegun, WentDown, fate_of
from outlast.tasks.task import Claimed
from outlast.watch.incident import Incident
from outlast.watch.layout import PLACES, LifeState
from outlast.watch.post_mortem import has_run_out, incident_of, witnessed
from outlast.watch.recovered import Remains, bare_remains, read, remove


@dataclass(frozen=True, slots=True)
class Death:
    """What is known of it. `status`: the exit status, negative for a signal. remains: what it has left, and had in it.

    last_words: why it has ended itself. out_of_memory: whether the kernel has killed for want of memory about then;
    None if that is not known.
    unread: the tasks that it was given and had not come to read. is_doubtful: something was not read, and what, or what
    had begun, nobody knows.
    """

    status: int
    last_words: str
    out_of_memory: bool | None
    remains: Remains
    unread: Collection[int] = ()
    is_doubtful: bool = False


def death_of(child: Child, status: int, last_words: str) -> Death:
    """With what it has left: its black box, which is gone then, and the attempts that were in it."""
    box = read(child.box)
    remove(child.box)
    killed, found = child.parting.killed, box or bare_remains(words.TASK_PROCESS, child.pid)
    remains = replace(found, in_flight=(killed.in_flight if killed else ()) or child.work.in_flight)
    is_doubtful = box is None and child.process.channel.left_unread
    out_of_memory = _had_run_out(box) if status == -signal.SIGKILL and not killed else False
    return Death(status, last_words, out_of_memory, remains, _unread(child, box), is_doubtful)


def _had_run_out(box: Remains | None) -> bool | None:
    """Not whether the count has risen of late: who has much memory takes seconds to die of it."""
    return has_run_out(box) if box is not None else None


def _unread(child: Child, box: Remains | None) -> Collection[int]:
    """What came while it was dying: a process that the kernel ends takes up to seconds for it, and looks alive.

    What has begun is in its box, as long as there are places.
    """
    if box is None or len(box.in_flight) == PLACES or not child.process.channel.left_unread:
        return ()
    return child.work.running.keys() - {one.task_id for one in box.in_flight}


def how_it_ended(child: Child, death: Death) -> str:
    """In words; first what outlast itself knows of it."""
    if child.parting.killed:
        return processes.ended_by_outlast(child.parting.killed.why)
    if death.last_words:
        return hindrances.ended_itself(death.last_words)
    if death.status == -signal.SIGKILL and death.remains.vitals.state is LifeState.CUT_OFF:
        return processes.LOST_ITS_RUNNER
    if death.status > 0 and death.remains.vitals.state is LifeState.LOOP_BROKE:
        return processes.ITS_LOOP_BROKE
    is_ordinary = not death.status and (not child.work.running or child.parting.leaving)
    return "left" if is_ordinary else processes.how_it_ended(death.status, out_of_memory=bool(death.out_of_memory))


def verdicts(child: Child, attempts: Sequence[Claimed], how: str, death: Death) -> Mapping[int, Happening]:
    """What its death means for those that were in it, by task."""
    if child.parting.leaving is not None and _is_planned(child, death):
        return {one.id: Cut(child.parting.leaving.why) for one in attempts}
    if death.is_doubtful:
        doubt = WentDown(hindrances.may_have_begun(child.pid, how))
        return {one.id: doubt for one in attempts}
    if not death.last_words:
        begun = [one for one in attempts if one.id not in death.unread]
        roots = child.generation.environment.roots
        unbegun = Unbegun(endings.its_process_was_dying(child.pid, how))
        return {
            **dict.fromkeys(death.unread, unbegun),
            **happenings_by_blame(begun, child.pid, how, death.remains.crash, roots),
        }
    down = WentDown(hindrances.process_ended_itself(child.pid, death.last_words))  # uncharged, but not for ever
    return {one.id: down for one in attempts}


def incidents_of(child: Child, death: Death, happenings: Mapping[int, Happening]) -> Sequence[Incident]:
    """The verdict, said in the log; none where there is nothing to wonder about."""
    if not (happenings or death.status) or _is_planned(child, death):
        return []
    by_us = child.parting.killed.why if child.parting.killed and death.status == -signal.SIGKILL else ""
    found = witnessed(
        death.remains,
        time.monotonic(),
        status=death.status,
        out_of_memory=death.out_of_memory,
        ended_by_us=by_us or death.last_words,
        fates={**child.parting.fates, **{task: fate_of(happening) for task, happening in happenings.items()}},
    )
    return [incident_of(found)]


def _is_planned(child: Child, death: Death) -> bool:
    """Whether it was told to leave and did, or was ended since its time was over: nothing to wonder about."""
    return child.parting.leaving is not None and (death.status == 0 or child.parting.killed is not None)
