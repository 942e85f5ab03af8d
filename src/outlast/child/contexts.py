"""The context of each attempt: what the import of the app has set, and what the request had that asked for it."""

from __future__ import annotations

import logging
from contextvars import Context

from outlast.context.carrier import Carrier
from outlast.process import this
from outlast.sources import Sources
from outlast.text import in_one_line

log = logging.getLogger("outlast")
MOST_SAID = 100  # sentences, each once


class Contexts:
    """Made when the app is imported. What an attempt sets is gone with it."""

    def __init__(self, ground: Context) -> None:
        self._ground = ground
        carry = {key: said for outlast in this.installed for key, said in outlast.carry.items()}
        self._carrier = Carrier(Sources(), carry)
        self._said: set[str] = set()

    def new(self) -> Context:
        """For one attempt. From any thread."""
        return self._ground.copy()

    def put_on(self, stored: str) -> None:
        """Set the context variables as they were in the request. What cannot be is said, once."""
        if not stored:
            return
        try:
            complaints = self._carrier.unpack(stored)
        except ValueError as error:  # a hand has written it
            complaints = [f"the context of a task is not understood: {in_one_line(error)}"]
        for sentence in complaints:
            if sentence not in self._said and len(self._said) < MOST_SAID:
                self._said.add(sentence)
                log.warning("%s", sentence)
