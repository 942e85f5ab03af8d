"""Schedules in the code that never run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from outlast.doctor.findings import Code, Finding, refusal
from outlast.events.schedules import ScheduleRefused
from outlast.functions.functions import Functions
from outlast.functions.names import shown
from outlast.system.process import this
from outlast.web.declaring import why_not


def schedule_findings() -> Iterator[Finding]:
    """Of the app that has been imported; what its server would say in the log."""
    functions = Functions()
    for function, every in this.apps.schedules:
        if why := why_not(function, every, functions.describe):
            code = getattr(inspect.unwrap(function), "__code__", None)
            place = (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)
            yield refusal(Code.NEVER_RUNS, place, str(ScheduleRefused(every.name or shown(function), why)))
