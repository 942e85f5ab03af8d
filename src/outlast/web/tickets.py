"""The names by which the users of an app ask for their tasks: who was not given one cannot guess it.

A task id tells its time and counts on, so that the next one can be guessed. A ticket is the id and a proof that its
owner got it from the app: the first 100 bits of an HMAC-SHA256 (RFC 2104) of the id, under a secret of the journal.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from outlast.errors import TaskNotFound
from outlast.ids import SHOWN_LENGTH, number_of, shown

PROOF_LENGTH = 20  # letters of 5 bits


class Tickets:
    """Those of one journal, by its secret. Raises TaskNotFound for a journal that has none yet."""

    def __init__(self, secret: bytes) -> None:
        if not secret:
            raise TaskNotFound("there is no journal yet: nobody has stored a task")
        self._secret = secret

    def of(self, number: int) -> str:
        """The ticket of a task, by its number."""
        return shown(number) + self._proof(shown(number))

    def number_of(self, ticket: str) -> int:
        """The number of the task of a ticket. Raises TaskNotFound when it is none of this journal's."""
        task, proof = ticket[:SHOWN_LENGTH], ticket[SHOWN_LENGTH:]
        if not hmac.compare_digest(self._proof(task).encode(), proof.encode(errors="replace")):
            raise TaskNotFound("there is no such task")
        return number_of(task)

    def _proof(self, task: str) -> str:
        digest = hmac.digest(self._secret, task.encode(errors="replace"), hashlib.sha256)
        return base64.b32encode(digest).decode().lower()[:PROOF_LENGTH]
