"""What the app's lifespan will do in a task process, before it is entered there: by its source."""

from __future__ import annotations

import logging
from typing import Any

from outlast.child import sentences
from outlast.hello import Environment
from outlast.sources import Sources
from outlast.startup import LASTING, Effect, singular_in, startup_functions
from outlast.text import in_one_line
from outlast.watch.site import shown_file

log = logging.getLogger("outlast")


class Forecast:
    """What the source of the app's lifespan says of it. `repeats`: what it does in each process, in one sentence.

    places: the lines in which it may start something.
    """

    def __init__(self, app: Any, environment: Environment) -> None:
        self.repeats, self.places = "", list[str]()
        if app is None or environment.settings.child_lifespan != "true":
            return
        try:
            sources = Sources()
            found = singular_in(startup_functions(app, sources), sources)
        except Exception as error:  # noqa: BLE001 - a help: whatever the user's objects raise, the process starts
            log.debug("the lifespan of %s could not be looked into: %s", environment.app, in_one_line(error))
            return
        lines = [f"{one} in {shown_file(one.file)}:{one.line}" for one in found if one.effect in LASTING]
        self.repeats = sentences.lifespan_repeats(environment.lifespan, lines)
        self.places = [f"{shown_file(one.file)}:{one.line}" for one in found if one.effect is Effect.STARTS]
