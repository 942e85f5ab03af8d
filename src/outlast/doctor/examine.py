"""Imports an app and looks at it from all sides: the whole of `outlast doctor`, but for how it is printed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.app import Outlast
from outlast.board.door import Door
from outlast.child.code import import_app
from outlast.doctor.blocking import Blocking, linter_notes
from outlast.doctor.findings import Code, Finding, Severity, finding, in_order, note, refusal
from outlast.doctor.handlers import handler_findings, lines_notes
from outlast.doctor.journal import journal_facts
from outlast.doctor.launching import launching_notes
from outlast.doctor.project import Project, shown_file
from outlast.doctor.schedules import schedule_findings
from outlast.doctor.scopes import scopes_of
from outlast.doctor.server import Server
from outlast.doctor.surroundings import journal_findings, server_findings, stall_findings
from outlast.doctor.tasks import ListedTask, Listing
from outlast.errors import OutlastError, TargetNotFound
from outlast.events import board as closed
from outlast.journal.location import doubts_about, place_of
from outlast.settings.settings import Settings
from outlast.settings.unread import names_given_to_one_app, unknown_variables, unread_variables
from outlast.source.sources import Sources
from outlast.source.startup import singular_at_import, singular_in, startup_functions
from outlast.system.process import this

NOTHING_TO_SAY = "give it as `outlast doctor main:app`, by OUTLAST_APP, or as `app` under [tool.outlast]"
GUARD = "guard it with `if not outlast.in_task_process():` if only one process may do that"


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor found about `app`, whose journal is `journal`."""

    app: str
    journal: str
    tasks: Sequence[ListedTask]
    findings: Sequence[Finding]

    @property
    def is_ill(self) -> bool:
        """Whether there is a finding, not only notes."""
        return any(one.severity is Severity.FINDING for one in self.findings)


def examine(target: str, server: Server | None) -> Report:
    """Import the app that `target`, `module:name`, names, and look at it, its journal and its server.

    Nothing of it runs but its import, and its factory where `target` calls one. Raises TargetNotFound when that
    fails, and SettingsError.
    """
    sources = Sources()
    app = load(target, sources)
    outlast = _installed_in(app)
    settings = outlast.settings if outlast is not None else Settings.load()
    facts = journal_facts(place_of(settings), time.time())
    project = Project(Path.cwd(), target.partition(":")[0], sources)
    scopes = scopes_of(project, sources)
    blockers = facts.blockers or {}
    listing = Listing(project, scopes, sources, blockers)
    blocking = Blocking(project, scopes).findings()
    found = [
        *_about_the_app(target, project, outlast),
        *listing.findings,
        *schedule_findings(),
        *blocking,
        *linter_notes(scopes, blocking),
        *_about_starting(app, target, settings.child_lifespan, project, sources),
        *launching_notes(Path.cwd()),
        *(server_findings(server, listing.inline, blockers, settings.stop_wait) if server else ()),
        *(stall_findings(server, facts.stalls) if server else ()),
        *handler_findings(server, project),
        *lines_notes(),
        *journal_findings(facts, settings.runner, doubts_about(facts.path)),
        *_about_dashboards(app),
        *_about_variables(),
        *_about_redaction(settings),
    ]
    return Report(target, str(facts.path), listing.tasks, in_order(found))


def load(target: str, sources: Sources) -> Any:
    """Import the app, with what it prints on stderr. Raises TargetNotFound, with the user's own frame."""
    if not target:
        raise TargetNotFound(f"which app is it? {NOTHING_TO_SAY}")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return import_app(target)
    except OutlastError:
        raise
    except (Exception, SystemExit) as error:  # whatever user code raises
        raise TargetNotFound(f"{target} cannot be imported: {_why(error, sources)}") from error


def _why(error: BaseException, sources: Sources) -> str:
    what = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        return f"{what} ({shown_file(error.filename)}:{error.lineno})"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if sources.is_own_file(one.filename)]
    if frames:
        return f"{what} ({shown_file(frames[-1].filename)}:{frames[-1].lineno}, in {frames[-1].name})"
    return f"{what}{_hint(error)}"


def _hint(error: BaseException) -> str:
    """Where the module is, if it is not where servers look for it."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    if name and any(Path("src", name).with_suffix(suffix).exists() for suffix in ("", ".py")):
        return "; it is in src: say --app-dir src"
    return ""


def _installed_in(app: Any) -> Outlast | None:
    """The Outlast of this app; of the only one that has it where the app is wrapped in something else."""
    found = getattr(getattr(app, "state", None), "outlast", None)
    installed = list(this.apps.installed)
    return found if isinstance(found, Outlast) else installed[0] if len(installed) == 1 else None


def _about_the_app(target: str, project: Project, outlast: Outlast | None) -> Iterator[Finding]:
    module = sys.modules[target.partition(":")[0]]
    place = (str(module.__file__), 0)
    if outlast is None:
        sentence = f"{target} has no outlast, so its tasks die with the web worker"
        yield finding(Code.NOT_INSTALLED, place, sentence, "call outlast.install(app) where the app is made")
    if not project.files:
        sentence = "nothing of the project could be read: it is not below this folder, or is an installed package"
        yield note(Code.NOT_READ, place, sentence, "run it in the project's folder, on a package installed editable")
    for broken in project.broken:
        sentence = f"it cannot be imported when it is first needed: {broken.message}"
        yield finding(Code.SYNTAX_ERROR, (broken.file, broken.line), sentence, "mend it, or take its import out")


def _about_starting(app: Any, target: str, lifespan: str, project: Project, sources: Sources) -> Iterator[Finding]:
    """What the lifespan of `app`, and the import of its modules, do. `lifespan`: the setting `child_lifespan`."""
    functions = startup_functions(app, sources) if lifespan == "true" else []
    for one in singular_in(functions, sources):
        sentence = f"the lifespan of {target} {one}, and does so in each task process, too"
        yield finding(Code.RUNS_TWICE, (one.file, one.line), sentence, f"{GUARD}, or set child_lifespan")
    for file in project.files.values():
        for one in singular_at_import(file.module, sources) if file.module is not None else ():
            sentence = f"importing {file.name} {one}, and does so in each task process, spare ones included, too"
            yield finding(Code.RUNS_TWICE, (one.file, one.line), sentence, GUARD)


def _about_dashboards(app: Any) -> Iterator[Finding]:
    for route in getattr(app, "routes", ()):
        if isinstance(door := getattr(route, "app", None), Door) and door.is_closed:
            place = (f"dashboard={route.path!r}", 0)
            yield finding(Code.CLOSED_DASHBOARD, place, closed.NOBODY_COMES_IN, closed.GIVE_A_GUARD)


def _about_variables() -> Iterator[Finding]:
    for sentence in unknown_variables(os.environ):
        variable = sentence.partition(" ")[0]
        yield finding(Code.UNKNOWN_VARIABLE, (variable, 0), sentence, "correct its name, or take it out")
    for sentence in unread_variables(os.environ):
        what, _, remedy = sentence.partition(": ")
        yield finding(Code.UNREAD_VARIABLE, (".env", 0), what, remedy)


def _about_redaction(settings: Settings) -> Iterator[Finding]:
    for sentence in names_given_to_one_app(settings):
        yield refusal(Code.REDACTED_IN_PART, ("redact", 0), sentence)
