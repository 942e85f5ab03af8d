"""Start-up code that is meant for one process, and that each task process runs, too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from outlast.doctor.findings import Code, Finding, finding
from outlast.doctor.project import Project
from outlast.sources import Sources
from outlast.startup import singular_at_import, singular_in, startup_functions

GUARD = "guard it with `if not outlast.in_task_process():` if only one process may do that"


def startup_findings(app: Any, target: str, lifespan: str, project: Project, sources: Sources) -> Iterator[Finding]:
    """What the lifespan of `app`, and the import of its modules, do. `lifespan`: the setting `child_lifespan`."""
    functions = startup_functions(app, sources) if lifespan == "true" else []
    for one in singular_in(functions, sources):
        sentence = f"the lifespan of {target} {one}, and does so in each task process, too"
        yield finding(Code.RUNS_TWICE, (one.file, one.line), sentence, f"{GUARD}, or set child_lifespan")
    for file in project.files.values():
        for one in singular_at_import(file.module, sources) if file.module is not None else ():
            sentence = f"importing {file.name} {one}, and does so in each task process, spare ones included, too"
            yield finding(Code.RUNS_TWICE, (one.file, one.line), sentence, GUARD)
