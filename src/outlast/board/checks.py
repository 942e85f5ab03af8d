"""What `outlast doctor` would say that the process which serves the dashboard can know, without any code of the app."""

from __future__ import annotations

import os

from outlast.events import waits
from outlast.journal.location import doubts_about, refusal_of, why_not_written
from outlast.journal.survey import Overview
from outlast.settings.settings import Settings
from outlast.settings.unread import names_given_to_one_app, unknown_variables, unread_variables
from outlast.system.place import Place


def checked(settings: Settings, place: Place, found: Overview, *, has_runner: bool) -> list[str]:
    """One sentence for each thing that is wrong: with the place of the journal, with settings, with who runs tasks."""
    waiting = found.counts["waiting"]
    return [
        *filter(None, (refusal_of(place), why_not_written(place))),
        *doubts_about(place.journal),
        *unknown_variables(os.environ),
        *unread_variables(os.environ),
        *names_given_to_one_app(settings),
        *([] if has_runner or not waiting else [waits.nobody_runs(waiting)]),
    ]
