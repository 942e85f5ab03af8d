"""What a form of the dashboard has sent, read without trust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.exceptions import HTTPException

from outlast.events import board as words

T = TypeVar("T")
MOST_FIELDS = 2_000
Form = ImmutableMultiDict[str, str]


def read_form(body: bytes) -> Form:
    """Its fields. Raises ValueError for more than a page of this dashboard has."""
    return Form(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS))


def wanted(form: Form, verbs: Mapping[str, T]) -> T:
    """Which of these it wants. Raises HTTPException for none of them."""
    try:
        return verbs[form.get("verb", "")]
    except KeyError:
        raise HTTPException(400, words.NO_SUCH_ACTION) from None
