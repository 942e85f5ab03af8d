"""What of stored values people are not shown. The journal has them whole, since the task needs them.

A value is left out for the name beside it, of a parameter, key, field or context variable, and for a type that says it
is secret, which is noted beside the arguments when they are stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

FIELD = "@marks"
"""The name, beside those of parameters, of what JSON does not say of their values; no parameter can have it."""

OF_SECRETS = "secret"  # the mark of the parameters that hold a secret by their type
RESULT = "result"  # the name under which there is what a task has returned
REDACTED = "[redacted]"
NOT_WHOLE = "[not shown: it is cut or no JSON, so what is secret in it cannot be left out]"

NAMES = frozenset(
    {
        *("password", "passwords", "passwd", "pwd", "passphrase", "passcode", "dbpass", "userpass", "smtppass"),
        *("secret", "secrets", "clientsecret", "credential", "credentials", "creds", "auth", "authorization", "bearer"),
        *("token", "tokens", "accesstoken", "refreshtoken", "authtoken", "idtoken", "csrftoken", "csrf", "xsrf", "jwt"),
        *("apikey", "apikeys", "accesskey", "privatekey", "secretkey", "signingkey", "encryptionkey", "sshkey"),
        *("cookie", "cookies", "session", "sessionid", "otp", "totp", "cvv", "cvc", "cardnumber", "ssn"),
    }
)
"""The usual names of secrets, without what parts their words."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")


def squeezed(name: str) -> str:
    """A name without what parts its words: `api_key`, `apiKey` and `X-Api-Key` have `apikey` in them."""
    return "".join(_WORD.findall(name)).lower()


class Redactor:
    """Leaves out of JSON text what stands under a name in which one of `NAMES` or `more` stands as whole words."""

    def __init__(self, more: Iterable[str] = ()) -> None:
        self._names = NAMES | set(filter(None, map(squeezed, more)))

    def redacted(self, text: str, *, by_path: bool = False) -> str:
        """`text`, which is empty or JSON, without what is secret; a sentence instead of what cannot be read whole.

        by_path: its keys are paths, `module:name`, of which the name counts.
        """
        if not text:
            return text
        try:
            value = json.loads(text)
            shown = self._shown(value, by_path=by_path)
            return text if shown == value else json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):
            return NOT_WHOLE

    def result(self, function: str, text: str) -> str:
        """What a function, `module:name`, has returned, from JSON with it as `RESULT`; its name counts, too."""
        if not text:
            return text
        try:
            stored = json.loads(text)
            value = self._shown_under(RESULT, stored[RESULT], _marked(stored))
            name = function.rpartition(":")[2].rpartition(".")[2]
            return json.dumps(self._shown_under(name, value, frozenset()), ensure_ascii=False)
        except (ValueError, LookupError, TypeError, RecursionError):
            return NOT_WHOLE

    def is_secret(self, name: str) -> bool:
        """Whether what has this name is left out."""
        words = [word.lower() for word in _WORD.findall(name)]
        ends = range(1, len(words) + 1)
        return any("".join(words[start:end]) in self._names for end in ends for start in range(end))

    def _shown(self, value: Any, *, by_path: bool = False) -> Any:
        if isinstance(value, dict):
            named = ((key, key.rpartition(":")[2] if by_path else key) for key in value)
            marked = _marked(value)
            return {key: self._shown_under(name, value[key], marked) for key, name in named}
        if isinstance(value, list):
            if len(value) == 2 and isinstance(value[0], str):  # such as a header: its name, and what it says
                return [value[0], self._shown_under(value[0], value[1], frozenset())]
            return [self._shown(inner) for inner in value]
        return value

    def _shown_under(self, name: str, value: Any, marked: frozenset[str]) -> Any:
        if value is None or name == FIELD:
            return value
        return REDACTED if name in marked or self.is_secret(name) else self._shown(value)


def _marked(value: dict[str, Any]) -> frozenset[str]:
    """The keys whose values a mark calls secret."""
    marks = value.get(FIELD)
    places = marks.get(OF_SECRETS) if isinstance(marks, dict) else None
    found = places if isinstance(places, list) else []
    return frozenset(place[0] for place in found if isinstance(place, list) and place and isinstance(place[0], str))
