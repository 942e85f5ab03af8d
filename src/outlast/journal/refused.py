"""What is stored in place of a change that no journal can take: of its task no more than what became of it, and why."""

from __future__ import annotations

from collections.abc import Sequence

from outlast.events import hindrances
from outlast.journal.contract import Change, Drop
from outlast.tasks.task import NO_OPTIONS, Lane, NewTask, Settlement, State
from outlast.text import MOST_NAME, one_line


def in_place_of(change: Change, why: str) -> Sequence[Change]:
    """Nothing for a change that could not be told in fewer words."""
    reason = hindrances.not_stored(why)
    match change:
        case NewTask():
            return [_label_of(change), Drop(change.id, reason)]
        case Drop(task_id):
            return [Drop(task_id, reason)]
        case Settlement():
            return [bare(change, why)]
        case _:
            return []


def bare(settlement: Settlement, why: str) -> Settlement:
    """The end of an attempt without the words for it: how it ended stays true."""
    return Settlement(settlement.id, settlement.attempt, settlement.end, settlement.state, hindrances.not_stored(why))


def _label_of(task: NewTask) -> NewTask:
    """Enough to be looked at, and nothing that could be run."""
    function, origin = one_line(task.function, MOST_NAME), one_line(task.origin, MOST_NAME)
    label = task._replace(function=function, origin=origin, arguments=None, lane=Lane.INLINE, state=State.HELD)
    return label._replace(follows=None, options=NO_OPTIONS, code="", context=None, sequels=())
