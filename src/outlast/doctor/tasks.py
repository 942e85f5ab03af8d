"""Every task that the project asks for: its function, its lane and why, and what keeps it from travelling."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outlast.doctor.blocking import is_isolated
from outlast.doctor.context import refused_context
from outlast.doctor.findings import Code, Finding, finding, refusal
from outlast.doctor.project import Project
from outlast.doctor.scopes import Scope
from outlast.doctor.sites import Site, sites_in
from outlast.doctor.targets import Target, Targets, is_text
from outlast.doctor.travel import refused_argument
from outlast.errors import NotStorable
from outlast.functions import Functions, TaskFunction, is_async, options_of
from outlast.module_state import OVERRIDE, shared_state
from outlast.sources import Sources
from outlast.tasks import Lane

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


@dataclass(slots=True)
class Listing:
    """The tasks that were found, and what is wrong with them."""

    tasks: list[ListedTask] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def inline(self) -> list[ListedTask]:
        """Those that run in the web worker."""
        return [task for task in self.tasks if task.lane == Lane.INLINE]


class Lister:
    """Lists the tasks of a project. `blockers`: seconds by the functions that have blocked a loop, from the journal."""

    def __init__(self, project: Project, sources: Sources, blockers: Mapping[str, float]) -> None:
        self._functions = Functions()
        self._targets = Targets(project, self._functions.held)
        self._sources = sources
        self._blockers = blockers
        self._listing = Listing()

    def listing(self, scopes: Sequence[Scope]) -> Listing:
        """All of them, by file and line."""
        for scope in scopes:
            for site in sites_in(scope):
                self._list(site)
        self._listing.tasks.sort(key=lambda task: (task.file, task.line))
        return self._listing

    def _list(self, site: Site) -> None:
        targets = self._targets_of(site)
        for target in targets:
            self._listing.tasks.append(self._listed(site, target))
        if not targets and site.sure and not (site.function is not None and is_text(site.function)):
            name = ast.unparse(site.function) if site.function is not None else "?"
            self._add(site, name, UNKNOWN_LANE, "which function it is shows only when it runs")

    def _targets_of(self, site: Site) -> list[Target]:
        if isinstance(site.node, ast.Call):
            return self._targets.of(site.function, site.scope) if site.function is not None else []
        outer = site.scope.outer
        return self._targets.of(ast.Name(site.node.name), outer) if outer is not None and site.scope.cls is None else []

    def _add(self, site: Site, function: str, lane: str, reason: str) -> None:
        self._listing.tasks.append(ListedTask(*site.place, site.way, function, lane, reason))

    def _listed(self, site: Site, target: Target) -> ListedTask:
        task = ListedTask(*site.place, site.way, target.name, UNKNOWN_LANE, "")
        if target.refused:
            return self._kept(site, task, refusal(Code.NO_NAME, site.place, target.refused))
        if target.definition is not None:
            file, node = target.definition
            top = Scope(file, None, None, None, {}, self._sources)
            lane, reason = _lane_by_source(node, Scope(file, node, top, None, {}, self._sources))
            return replace(task, lane=lane, reason=f"{reason}; from its source only, its module is not imported yet")
        return self._described(site, task, target.function)

    def _described(self, site: Site, task: ListedTask, function: Any) -> ListedTask:
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

    def _inline(self, site: Site, task: ListedTask, known: TaskFunction, function: Callable[..., Any]) -> ListedTask:
        """It says itself that it stays, or shares the state of the web process."""
        shared = shared_state(function, self._sources) if options_of(function).get("travels") is None else None
        if shared is not None:
            remedy = f"keep that in a database, or {OVERRIDE}; travels=False keeps it inline and says no more"
            place = (shared.file, shared.line)
            return self._kept(site, task, finding(Code.MODULE_STATE, place, shared.sentence, remedy))
        if site.promised:
            remedy = "add it with FastAPI's BackgroundTasks, or let it travel"
            return self._kept(site, task, finding(Code.NO_NAME, site.place, known.inline_reason, remedy))
        if options_of(function).get("travels") is None:
            return self._kept(site, task, refusal(Code.MODULE_STATE, site.place, known.inline_reason))
        return replace(task, lane=Lane.INLINE, reason=known.inline_reason)

    def _kept(self, site: Site, task: ListedTask, why: Finding) -> ListedTask:
        """A task that cannot leave: it stays in the web worker, or its call raises."""
        self._listing.findings.append(why)
        return replace(task, lane=REFUSED if site.promised else Lane.INLINE, reason=why.sentence)

    def _lane(self, site: Site, known: TaskFunction, function: Callable[..., Any]) -> tuple[str, str]:
        if known.terms.company is not None:
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


def functions_named(tasks: Sequence[ListedTask]) -> Iterator[str]:
    """Their functions, each once."""
    yield from dict.fromkeys(task.function for task in tasks)
