"""Functions as arguments: which travel, by which name, and which no row may name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outlast.errors import NotStorable, TargetNotFound
from outlast.functions.callables import Callables
from outlast.functions.encoding import Codec
from outlast.functions.functions import Functions
from tests.samples import held, named

CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (held.safely, (held.send, "a"), {}),
    (held.safely, (held.mailer.send, "a"), {}),
    (held.safely, (held.mailer, "a"), {}),
    (held.safely, (held.Settings, "a"), {}),
    (held.safely, (held.shown, "a"), {}),
    (held.loosely, (named.plain, "a"), {}),
    (held.loosely, ("not a function", "a"), {}),
    (held.perhaps, (held.send,), {}),
    (held.perhaps, (None,), {}),
    (held.perhaps, (), {}),
    (held.make, (held.Settings,), {}),
    (held.through, (held.send,), {}),
    (held.each, (held.send, named.plain), {"one": held.mailer.send, "two": 2}),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), CALLS)
def test_a_function_travels_by_its_name(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    text = Functions().describe(function).codec.encode(args, kwargs)
    assert Codec(function).decode(text) == (args, kwargs)


def test_the_row_has_the_name_and_where_it_stands() -> None:
    text = Functions().describe(held.safely).codec.encode((held.mailer.send, "a"), {})
    assert text == '{"function":"tests.samples.held:mailer.send","to":"a","@marks":{"function":[["function"]]}}'


REFUSED: list[tuple[Callable[..., Any], Any, str]] = [
    (held.safely, held.system, "is not of the project"),
    (held.safely, subprocess.run, "is not of the project"),
    (held.safely, held.mailer.run, "is not of the project"),  # type: ignore[misc]
    (held.safely, print, "is not of the project"),
    (held.safely, held.logger.info, "is not of the project"),
    (held.safely, held.bag.append, "is not of the project"),
    (held.loosely, held.shown, "is not of the project"),
    (held.safely, lambda _to: None, "write it as a function of a module"),
    (held.safely, held.bound, "pass the function itself"),
    (held.safely, held.Mailer().send, "belongs to an instance of Mailer that no module"),
    (held.safely, held.store, "changes `jobs`"),
    (held.loosely, held.store, "changes `jobs`"),
    (held.safely, held.mailer.count, "changes `self.sent`"),
    (held.safely, held.client.post, "keeps what only this process has"),
]


@pytest.mark.parametrize(("function", "argument", "problem"), REFUSED)
def test_a_function_that_cannot_be_named_or_has_to_stay_is_refused(
    function: Callable[..., Any], argument: Any, problem: str
) -> None:
    with pytest.raises(NotStorable, match="is passed a function that cannot be stored") as refused:
        Functions().describe(function).codec.encode((argument, "a"), {})
    assert problem in str(refused.value)


FORGED = [
    "os:system",
    "builtins:eval",
    "subprocess:run",
    "tests.samples.held:system",
    "tests.samples.held:os.system",
    "tests.samples.held:subprocess.run",
    "tests.samples.held:Mailer.run",
    "tests.samples.held:mailer.run",
    "tests.samples.held:executor.submit",
    "tests.samples.held:logger.info",
    "tests.samples.held:bound",
    "tests.samples.held:notifier.client.post",
    "tests.samples.held:send.__globals__.get",
    "tests.samples.held:send.__class__",
    "tests.samples.held:jobs.append",
    "tests.samples.held:nothing",
    "antigravity:webbrowser",
    "click:echo",
    "nowhere:send",
    "tests.samples.held",
    "",
]


@pytest.mark.parametrize("path", FORGED)
def test_a_row_cannot_name_what_the_project_has_not_written(path: str) -> None:
    text = f'{{"function": "{path}", "to": "rm", "@marks": {{"function": [["function"]]}}}}'
    with pytest.raises(NotStorable):
        Codec(held.safely).decode(text)
    assert "antigravity" not in sys.modules


def test_what_a_library_has_written_is_found_only_where_the_annotation_says_so() -> None:
    assert Callables().find("tests.samples.held:shown", Callable) is held.shown
    with pytest.raises(TargetNotFound, match="is not of the project"):
        Callables().find("tests.samples.held:shown", Any)


@pytest.mark.parametrize("mark", ['[["to"]]', '[["function", 0]]', '[["function"], ["to"]]'])
def test_a_row_cannot_name_a_function_elsewhere(mark: str) -> None:
    path = "tests.samples.held:send"
    with pytest.raises(NotStorable, match="where none can be passed"):
        Codec(held.safely).decode(f'{{"function": "{path}", "to": "{path}", "@marks": {{"function": {mark}}}}}')


@pytest.mark.parametrize("value", ["3", '{"a": 1}', "null", "[]"])
def test_what_is_no_name_is_refused(value: str) -> None:
    with pytest.raises(NotStorable):
        Codec(held.loosely).decode(f'{{"function": {value}, "to": "a", "@marks": {{"function": [["function"]]}}}}')


def test_a_name_alone_is_text() -> None:
    assert Codec(held.loosely).decode('{"function": "tests.samples.held:send", "to": "a"}')[0][0].endswith("held:send")


@pytest.mark.parametrize(("name", "is_own"), [("late", True), ("late.inner", True), ("json", False)])
def test_a_module_is_known_for_the_projects_before_it_is_imported(
    name: str, is_own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text("def send(): ...\n")
    (tmp_path / "late" / "inner.py").write_text("def send(): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        if is_own:
            assert Callables().find(f"{name}:send", Any).__module__ == name
        else:
            with pytest.raises(TargetNotFound, match="a row may name no other"):
                Callables().find(f"{name}:loads", Callable)
    finally:
        for imported in ("late", "late.inner"):
            sys.modules.pop(imported, None)
