"""Tasks that read a context variable which, as its annotation says, holds what cannot travel."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import Any, get_args

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError

from outlast.context import sentences
from outlast.doctor.findings import Code, Finding, refusal
from outlast.doctor.sites import Site
from outlast.doctor.travel import kind_wanted
from outlast.functions import Functions
from outlast.kinds import an


def refused_context(site: Site, path: str, function: Callable[..., Any], functions: Functions) -> Finding | None:
    """The first variable of the project that a task of `function` cannot do without, and cannot take along."""
    for variable, place in functions.reads(function).variables.items():
        found = functions.carrier.variables.of(variable) if variable is not None else None
        why = _why_stays(found.hint) if found is not None and found.is_own else ""
        if found is not None and why:
            return refusal(Code.CANNOT_TRAVEL, site.place, sentences.read_by(path, found.path, place, why))
    return None


def _why_stays(hint: Any) -> str:
    """Why a value of that type cannot travel; empty if it can, as far as the type tells."""
    kind = kind_wanted(hint)
    if kind is not None:
        return sentences.holds(kind.what, kind.remedy)
    try:
        TypeAdapter(hint)
    except PydanticUserError:
        return sentences.holds(_shown(hint), "keep plain values in it")
    except Exception:  # noqa: BLE001 - an annotation that is no type: what it may hold is not known
        return ""
    return ""


def _shown(hint: Any) -> str:
    """The types that it may be, with articles."""
    types = [one for one in get_args(hint) or (hint,) if one is not NoneType]
    return " or ".join(an(one.__qualname__ if isinstance(one, type) else str(one)) for one in types)
