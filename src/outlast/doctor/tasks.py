"""Every task that the project asks for: its function, its lane and why, and what keeps it from travelling."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from outlast.doctor.blocking import is_isolated
from outlast.doctor.findings import Code, Finding, finding, refusal
from outlast.doctor.project import Project
from outlast.doctor.scopes import Scope
from outlast.doctor.sites import AddSite, sites_in
from outlast.doctor.targets import Target, Targets, is_text
from outlast.doctor.travel import refused_argument, refused_context
from outlast.errors import NotStorable
from outlast.functions.functions import Functions, TaskFunction, is_async, options_of
from outlast.source.module_state import OVERRIDE, shared_state
from outlast.source.sources import Sources
from outlast.tasks.task import Lane

REFUSED = "refused"  # the call raises NotStorable
UNKNOWN_LANE = "unknown"
_MANNERS = {Lane.LOOP: "an `async def`", Lane.THREAD: "a plain function"}


@dataclass(frozen=True, slots=True)
class ListedTask:
    """One function at one place where a task is asked for.

    way: what asks for it, such as `add_task`. lane: one of Lane, or `refused`, or `unknown`; `reason` says why.
    """

    file: str
    line: int
    way: str
    function: str
    lane: str
    reason: str


class Listing:
    """The tasks that are asked for in some scopes, by file and line, and what is wrong with them.

    blockers: seconds by the functions that have blocked a loop, from the journal.
    """

    def __init__(
        self, project: Project, scopes: Sequence[Scope], sources: Sources, blockers: Mapping[str, float]
    ) -> None:
        self.tasks: list[ListedTask] = []
        self.findings: list[Finding] = []
        self._functions = Functions()
        self._targets = Targets(project, self._functions.held)
        self._sources = sources
        self._blockers = blockers
        for scope in scopes:
            for site in sites_in(scope):
                self._list(site)
        self.tasks.sort(key=lambda task: (task.file, task.line))

    @property
    def inline(self) -> list[str]:
        """The functions of those that run in the web worker."""
        return list(dict.fromkeys(task.function for task in self.tasks if task.lane == Lane.INLINE))

    def _list(self, site: AddSite) -> None:
        targets = self._targets_of(site)
        for target in targets:
            self.tasks.append(self._listed(site, target))
        if not targets and site.sure and not (site.function is not None and is_text(site.function)):
            name = ast.unparse(site.function) if site.function is not None else "?"
            why = "which function it is shows only when it runs"
            self.tasks.append(ListedTask(*site.place, site.way, name, UNKNOWN_LANE, why))

    def _targets_of(self, site: AddSite) -> list[Target]:
        if isinstance(site.node, ast.Call):
            return self._targets.of(site.function, site.scope) if site.function is not None else []
        outer = site.scope.outer
        return self._targets.of(ast.Name(site.node.name), outer) if outer is not None and site.scope.cls is None else []

    def _listed(self, site: AddSite, target: Target) -> ListedTask:
        task = ListedTask(*site.place, site.way, target.name, UNKNOWN_LANE, "")
        if target.refused:
            return self._kept(site, task, refusal(Code.NO_NAME, site.place, target.refused))
        if target.definition is not None:
            file, node = target.definition
            top = Scope(file, None, None, None, {}, self._sources)
            lane, reason = _lane_by_source(node, Scope(file, node, top, None, {}, self._sources))
            return replace(task, lane=lane, reason=f"{reason}; from its source only, its module is not imported yet")
        return self._described(site, task, target.function)

    def _described(self, site: AddSite, task: ListedTask, function: Any) -> ListedTask:
        try:
            known = self._functions.describe(function)
        except NotStorable as error:
            return self._kept(site, task, refusal(Code.NO_NAME, site.place, str(error)))
        task = replace(task, function=known.path)
        if known.inline_reason:
            return self._inline(site, task, known, function)
        refused = refused_argument(site, known.codec) or refused_context(site, known.path, function, self._functions)
        if refused is not None:
            return self._kept(site, task, refused)
        lane, reason = self._lane(site, known, function)
        return replace(task, lane=lane, reason=reason)

    def _inline(self, site: AddSite, task: ListedTask, known: TaskFunction, function: Callable[..., Any]) -> ListedTask:
        """It says itself that it stays, or shares the state of the web process."""
        shared = shared_state(function, self._sources) if options_of(function).get("travels") is None else None
        if shared is not None:
            remedy = f"keep that in a database, or {OVERRIDE}; travels=False keeps it inline and says no more"
            place = (shared.file, shared.line)
            return self._kept(site, task, finding(Code.MODULE_STATE, place, shared.sentence, remedy))
        if site.explicit:
            remedy = "add it with FastAPI's BackgroundTasks, or let it travel"
            return self._kept(site, task, finding(Code.NO_NAME, site.place, known.inline_reason, remedy))
        if options_of(function).get("travels") is None:
            return self._kept(site, task, refusal(Code.MODULE_STATE, site.place, known.inline_reason))
        return replace(task, lane=Lane.INLINE, reason=known.inline_reason)

    def _kept(self, site: AddSite, task: ListedTask, why: Finding) -> ListedTask:
        """A task that cannot leave: it stays in the web worker, or its call raises."""
        self.findings.append(why)
        return replace(task, lane=REFUSED if site.explicit else Lane.INLINE, reason=why.sentence)

    def _lane(self, site: AddSite, known: TaskFunction, function: Callable[..., Any]) -> tuple[str, str]:
        if known.options.most_together is not None:
            return Lane.ALONE, "decorated with isolate or memory"
        if "memory" in site.options:
            return Lane.ALONE, "added with memory"
        if known.path in self._blockers:
            return Lane.ALONE, f"has blocked an event loop for {self._blockers[known.path]:.1f} s"
        lane = Lane.LOOP if is_async(function) else Lane.THREAD
        return lane, _MANNERS[lane]


def _lane_by_source(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> tuple[str, str]:
    if any(is_isolated(one, scope) for one in node.decorator_list):
        return Lane.ALONE, "decorated with isolate or memory"
    lane = Lane.LOOP if isinstance(node, ast.AsyncFunctionDef) else Lane.THREAD
    return lane, _MANNERS[lane]
