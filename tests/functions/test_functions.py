"""Function to name and back, and which functions share module state with the web process."""

from __future__ import annotations

import functools
import gc
import importlib
import re
import subprocess
import sys
import textwrap
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

import outlast.functions.functions
from outlast.errors import NotStorable, TargetNotFound
from outlast.functions.functions import Functions, TaskFunction, is_async, task
from outlast.functions.names import Held, left_undone, path_of, resolve, resolve_task
from outlast.source.module_state import shares_state
from outlast.source.sources import Sources
from outlast.tasks.task import Lane, TaskOptions
from tests.samples import closed, elsewhere, held, kept, named, state
from tests.support.lines import line_of

NAMED: list[tuple[Callable[..., Any], str]] = [
    (named.plain, "plain"),
    (named.coroutine, "coroutine"),
    (named.decorated, "decorated"),
    (named.cached, "cached"),
    (named.Mailer, "Mailer"),
    (named.Mailer.check, "Mailer.check"),
    (named.mailer.check, "Mailer.check"),
    (named.Mailer.build, "Mailer.build"),
    (named.Mailer.send, "Mailer.send"),
    (named.mailer.send, "mailer.send"),
    (named.mailer, "mailer"),
    (named.original, "original"),
]


@pytest.mark.parametrize(("function", "qualname"), NAMED)
def test_named_function_has_a_path_that_leads_back(function: Callable[..., Any], qualname: str) -> None:
    path = path_of(function)
    assert path == f"tests.samples.named:{qualname}"
    assert resolve(path) == function


def test_function_of_the_standard_library_has_a_path() -> None:
    assert path_of(textwrap.dedent) == "textwrap:dedent"
    assert path_of(len) == "builtins:len"


def called() -> Any:
    coroutine = named.coroutine(1)
    coroutine.close()
    return coroutine


def replaced() -> Any:
    def before() -> None: ...

    before.__module__, before.__qualname__ = named.__name__, "plain"
    return before


UNNAMED: list[tuple[Any, str, str]] = [
    (named.unnamed_lambda, "has no name", "function of a module"),
    (named.nested(), "is inside another function", "top level of a module"),
    (named.hidden, "has lost its name to a decorator", "functools.wraps"),
    (named.bound_arguments, "cannot be stored", "pass the function itself"),
    (named.Mailer().send, "belongs to an instance of Mailer that no module", "make that at the top level of a module"),
    ([].append, "belongs to an instance of list that no module", "what it needs to make that object"),
    (Path("a.zip").unlink, "is bound to a path", "write add_task(Path.unlink, path, ...)"),
    (named.Mailer(), "is an object that can be called", "pass a function of a module that calls it"),
    (called(), "coroutine was called where it is added", "write add_task(coroutine, ...)"),
    (None, "cannot be called", "pass a function, not what a call of it gave"),
    (replaced(), "leads to tests.samples.named:plain, not to", "pass what that name leads to"),
]


@pytest.mark.parametrize(("function", "problem", "remedy"), UNNAMED)
def test_function_without_a_name_is_refused(function: Any, problem: str, remedy: str) -> None:
    with pytest.raises(NotStorable) as refused:
        path_of(function)
    assert problem in str(refused.value)
    assert remedy in str(refused.value)


def test_function_whose_name_is_gone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    function = named.plain
    monkeypatch.delattr(named, "plain")
    with pytest.raises(NotStorable, match="cannot be found by other processes"):
        path_of(function)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tests.samples.named", "it has to be `module:name`"),
        (":plain", "it has to be `module:name`"),
        ("tests.samples.named:", "it has to be `module:name`"),
        ("no_such_package.module:f", "there is no module 'no_such_package'"),
        ("tests.samples.nothing:f", "there is no module 'tests.samples.nothing'"),
        (".named:plain", "cannot be imported"),
        ("tests.samples.named:nothing", "module tests.samples.named has no 'nothing'"),
        ("tests.samples.named:Mailer.nothing", "tests.samples.named:Mailer has no 'nothing'"),
        ("tests.samples.named:not_callable", "is int, which cannot be called"),
        ("tests.samples.named:nested.<locals>.inner", "inside a function"),
        ("tests.samples.named:<lambda>", "is a lambda"),
        ("tests.samples.named:plain()", "has no 'plain()'"),
    ],
)
def test_path_that_leads_nowhere_is_refused(path: str, problem: str) -> None:
    with pytest.raises(TargetNotFound) as refused:
        resolve(path)
    assert problem in str(refused.value)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_has_become_a_generator_function_is_no_task(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "became.py").write_text(f"{kind} f():\n    yield\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "became", raising=False)
    with pytest.raises(TargetNotFound, match="became:f is a generator function"):
        resolve_task("became:f")


def test_module_that_lacks_what_it_imports_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lacking.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TargetNotFound, match=r"lacking:f cannot be imported: No module named 'no_such_library'"):
        resolve("lacking:f")


def test_error_of_a_module_at_import_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "failing.py").write_text("raise ValueError('no DATABASE_URL')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="no DATABASE_URL"):
        resolve("failing:f")


MAIN = """
import sys
sys.path[:0] = {path!r}
from outlast.functions.names import path_of, resolve
def job(): ...
if __name__ == "__main__":
    print(path_of(job), resolve(path_of(job)) is job)
"""


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["program.py"], "program:job True"),
        (["-P", "program.py"], "__main__:job True"),
        (["-m", "package.program"], "package.program:job True"),
        (["-m", "package"], "package.__main__:job True"),
    ],
)
def test_function_of_the_program_itself(tmp_path: Path, arguments: list[str], printed: str) -> None:
    program = MAIN.format(path=sys.path)
    (tmp_path / "package").mkdir()
    for name in ("program.py", "package/program.py", "package/__main__.py"):
        (tmp_path / name).write_text(program)
    done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (printed, "")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (named.plain, False),
        (named.coroutine, True),
        (functools.partial(named.coroutine, 1), True),
        (functools.partial(functools.partial(named.coroutine), 1), True),
        (functools.partial(named.plain, 1), False),
        (functools.partial(named.mailer, "x"), True),
        (named.mailer, True),
        (named.caller, False),
        (named.mailer.send, False),
        (named.mailer.__call__, True),
        (named.decorated, False),
        (named.async_decorated, True),
        (named.Mailer, False),
        (named.Caller, False),
        (print, False),
    ],
)
def test_async_functions_are_known(function: Callable[..., Any], expected: bool) -> None:
    assert is_async(function) is expected


assert elsewhere  # its endpoint changes what a sample reads

SAMPLES = {
    name: function
    for module in (state, kept, closed)
    for name, function in vars(module).items()
    if name.startswith(("shares_", "free_"))
}


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("shares_")])
def test_shared_module_state_is_found(name: str) -> None:
    sentence = shares_state(SAMPLES[name])
    assert re.match(rf"tests\.samples\.(state|kept|closed):{name}[ ,]", sentence)
    assert re.search(r"tests/samples/\w+\.py:\d+", sentence)
    assert "@outlast.task(travels=True)" in sentence


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("free_")])
def test_function_without_shared_state_is_free(name: str) -> None:
    assert shares_state(SAMPLES[name]) == ""


def test_bound_classmethod_is_followed_with_its_class() -> None:
    assert "changes `cls.shared`" in shares_state(state.Manager.remember)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/app/main.py", True),
        ("/app/.venv/lib/python3.11/site-packages/library.py", False),
        ("/usr/lib/python3/dist-packages/library.py", False),
        ("/app/fast.so", False),
        (str(textwrap.__file__), False),
        (str(outlast.functions.functions.__file__), False),
    ],
)
def test_files_of_the_project_are_known(file: str, expected: bool) -> None:
    assert Sources().is_own_file(file) is expected


def line_in(text: str, module: ModuleType = state) -> int:
    """Of a whole line inside a function."""
    return line_of(Path(str(module.__file__)).read_text(), f" {text}\n")


def test_sentence_names_the_variable_and_the_line() -> None:
    line = line_in("global total") + 1
    assert f"changes the global `total` (tests/samples/state.py:{line})" in shares_state(state.shares_global)


def test_sentence_names_the_closure_variable_and_who_changes_it() -> None:
    line = line_in("number += 1", closed)
    assert f"through count(), changes the closure variable `number` (tests/samples/closed.py:{line})" in shares_state(
        closed.shares_count
    )
    assert f"which count() changes (tests/samples/closed.py:{line})" in shares_state(closed.shares_counted)
    line = line_in("kept[key] = 1", closed)
    assert f"reads `kept` (tests/samples/closed.py:{line + 3}), which put() changes" in shares_state(closed.shares_get)


def test_sentence_names_the_function_in_between() -> None:
    module = importlib.import_module("tests.samples.shared")
    sentence = shares_state(state.shares_through_call)
    line = line_in("results[key] = 1", module)
    assert f"through record(), changes `results` (tests/samples/shared.py:{line})" in sentence


def test_sentence_names_who_changes_what_is_read() -> None:
    line = line_in("progress[key] = 0")
    sentence = shares_state(state.shares_what_an_endpoint_changes)
    assert f"reads `progress` (tests/samples/state.py:{line_in('return progress[key]')})" in sentence
    assert f"which endpoint() changes (tests/samples/state.py:{line})" in sentence


@pytest.mark.parametrize("function", [len, textwrap.dedent, named.Mailer.build, functools.partial(print).func])
def test_nothing_is_said_without_source_or_outside_the_project(function: Callable[..., Any]) -> None:
    assert shares_state(function) == ""


def test_function_without_a_source_file_is_free() -> None:
    names: dict[str, Any] = {"jobs": {}, "__name__": "made_up"}
    exec("def change(key):\n    jobs[key] = 1\n", names)  # noqa: S102
    assert shares_state(names["change"]) == ""


def test_description_of_a_function_that_travels() -> None:
    known = Functions().describe(named.coroutine)
    assert (known.path, known.lane, known.inline_reason) == ("tests.samples.named:coroutine", Lane.LOOP, "")
    assert known.codec.decode(known.codec.encode((1,), {})) == ((1,), {})
    assert Functions().describe(named.plain).lane is Lane.THREAD


def test_description_says_why_a_function_runs_inline() -> None:
    assert "changes `jobs`" in Functions().describe(state.shares_item).inline_reason


def test_task_option_overrides_what_the_source_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.shares_item, "__outlast_options__", {"travels": True}, raising=False)
    monkeypatch.setattr(state.free_plain, "__outlast_options__", {"travels": False}, raising=False)
    monkeypatch.setattr(state.shares_add, "__outlast_options__", {}, raising=False)
    functions = Functions()
    assert functions.describe(state.shares_item).inline_reason == ""
    assert "travels=False" in functions.describe(state.free_plain).inline_reason
    assert "changes `seen`" in functions.describe(state.shares_add).inline_reason


def test_task_returns_the_same_function_with_its_options() -> None:
    def job() -> None: ...

    assert task(travels=True)(job) is job
    assert vars(job).keys() == {"__outlast_options__", "s", "si"}
    assert vars(job)["__outlast_options__"] == {"travels": True, "options": TaskOptions(), "given": {}}


def around(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@around
@task(retries=1)
def decorated_twice() -> None: ...


@task
def decorated_and_kept() -> None: ...


held_apart = decorated_and_kept
decorated_and_kept = around(decorated_and_kept)  # type: ignore[assignment]


class Statics:
    @staticmethod
    @task
    def static() -> None: ...

    @around
    @task
    def method(self) -> None: ...


def test_a_call_is_one_of_what_a_decorator_has_put_in_the_place_of_the_function() -> None:
    call = vars(decorated_twice)["s"]()
    assert call.function is decorated_twice
    assert vars(Statics.method)["si"]().function is Statics.method
    assert path_of(call.function).endswith("test_functions:decorated_twice")


def test_a_call_is_one_of_the_function_itself_where_that_is_found() -> None:
    assert vars(decorated_and_kept)["s"]().function is held_apart
    assert Statics.static.s().function is Statics.static

    @around
    @task
    def local() -> None: ...

    assert vars(local)["s"]().function is not local


def test_task_needs_no_parentheses() -> None:
    def job() -> None: ...

    assert task(job) is job
    assert vars(job)["__outlast_options__"] == {"travels": None, "options": TaskOptions(), "given": {}}


HELD: list[tuple[Callable[..., Any], str, Lane]] = [
    (held.mailer.send, "mailer.send", Lane.THREAD),
    (held.mailer.send_soon, "mailer.send_soon", Lane.LOOP),
    (held.mailer, "mailer", Lane.THREAD),
    (held.settings.send, "settings.send", Lane.THREAD),
    (held.logger.info, "logger.info", Lane.THREAD),
]


@pytest.mark.parametrize(("function", "name", "lane"), HELD)
def test_method_of_an_object_that_a_module_holds_travels(function: Callable[..., Any], name: str, lane: Lane) -> None:
    known = Functions().describe(function)
    assert (known.path, known.lane, known.inline_reason) == (f"tests.samples.held:{name}", lane, "")
    assert resolve(known.path) == function


def test_method_is_looked_at_once_although_it_is_bound_anew() -> None:
    functions = Functions()
    assert functions.describe(held.mailer.send) is functions.describe(held.mailer.send)


STAYS: list[tuple[Callable[..., Any], str]] = [
    (held.mailer.count, "changes `self.sent`"),
    (held.counting, "changes `self.calls`"),
    (held.notifier.notify, "what only this process has in `client."),
    (held.locked.send, "what only this process has in `lock`"),
    (held.client.post, "what only this process has in `_"),
    (held.executor.submit, "`tests.samples.held:executor`, which each process has for itself"),
    (held.queue.put, "`tests.samples.held:queue`, which each process has for itself"),
    (held.jobs.append, "`tests.samples.held:jobs`, which each process has for itself"),
    (held.bag.append, "`tests.samples.held:bag`, which each process has for itself"),
]


@pytest.mark.parametrize(("function", "reason"), STAYS)
def test_method_of_an_object_with_state_of_this_process_stays(function: Callable[..., Any], reason: str) -> None:
    assert reason in Functions().describe(function).inline_reason


def test_object_that_a_module_does_not_hold_any_more_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    functions, method = Functions(), held.mailer.send
    functions.describe(method)
    monkeypatch.setattr(held, "mailer", held.Mailer("other"))
    with pytest.raises(NotStorable, match="that no module of the project holds"):
        functions.describe(method)


def test_object_is_found_where_another_module_still_holds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    functions, method = Held(), held.mailer.send
    first = functions.path_to(held.mailer)
    monkeypatch.setattr(named, "from_held", held.mailer, raising=False)
    monkeypatch.setattr(held, "mailer", held.Mailer("other"))
    assert (first, path_of(method, functions)) == ("tests.samples.held:mailer", "tests.samples.named:from_held.send")


class Proxy:
    """As of the current request: outside of one it can be asked nothing."""

    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]
        raise RuntimeError("working outside of a request")


def test_what_a_module_holds_that_can_be_asked_nothing_stops_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "current_request", Proxy(), raising=False)
    monkeypatch.setattr(state, "current_request", Proxy(), raising=False)
    functions = Functions()
    functions.carrier.variables.look()
    assert functions.describe(held.mailer.send).path == "tests.samples.held:mailer.send"
    assert "reads `progress`" in shares_state(state.shares_what_an_endpoint_changes)


def test_object_that_cannot_be_looked_through_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held.settings, "__dict__", {"host": Proxy()})
    reason = Functions().describe(held.settings.send).inline_reason
    assert "what cannot be looked at (RuntimeError: working outside of a request)" in reason


@pytest.mark.parametrize("name", ["n" * 1_001, "sp\u202eeaking"])
def test_method_with_a_name_that_cannot_be_stored_is_refused(name: str) -> None:
    def send(self: object) -> None: ...

    send.__name__ = name
    setattr(held.Mailer, name, send)
    with pytest.raises(NotStorable, match="has a name that cannot be stored") as refused:
        Functions().describe(getattr(held.mailer, name))
    delattr(held.Mailer, name)
    assert len(str(refused.value)) < 500 and str(refused.value).isprintable()


async def stream(number: int) -> AsyncIterator[int]:
    yield number


@pytest.mark.parametrize("function", [held.rows, stream])
def test_generator_function_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(
        NotStorable, match=r"generator function: .* with FastAPI alone neither: .* take its `yield` out"
    ):
        Functions().describe(function)


LEFT_UNDONE: list[tuple[Callable[..., Any], str]] = [
    (named.decorated_coroutine, r"its wrapper `logged.<locals>.wrapper` \(named.py:\d+\) .* or take the wrapper off"),
    (named.gives_a_coroutine, r"`gives_a_coroutine` \(named.py:\d+\) is a plain `def` .* `async def` that awaits that"),
    (named.gives_a_generator, r"`gives_a_generator` .* a generator, .*: pass a function that iterates over it"),
    (named.to_be_entered, r"`to_be_entered` \(named.py:\d+\) .* context manager, .*: pass a function that enters it"),
    (named.to_be_entered_async, r"`to_be_entered_async` \(named.py:\d+\) .* context manager, which nobody enters"),
]


@pytest.mark.parametrize(("function", "sentence"), LEFT_UNDONE)
def test_who_left_it_undone_is_named(function: Callable[..., Any], sentence: str) -> None:
    assert re.search(sentence, left_undone(function, function(1)))


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The functions that were looked at anew."""
    looked_at: list[Any] = []

    def counting(function: Callable[..., Any], held: Held) -> str:
        looked_at.append(function)
        return path_of(function, held)

    monkeypatch.setattr(outlast.functions.functions, "path_of", counting)
    return looked_at


def test_each_function_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at, functions = counted(monkeypatch), Functions()
    known: TaskFunction = functions.describe(named.plain)
    assert functions.describe(named.plain) is known
    inner = named.nested()
    for _ in range(2):
        with pytest.raises(NotStorable, match="inside another function"):
            functions.describe(inner)
    assert looked_at == [named.plain, inner]


def test_what_cannot_be_remembered_is_described_all_the_same() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> None: ...

    with pytest.raises(NotStorable, match="object that can be called"):
        Functions().describe(Unhashable())


def test_functions_that_are_gone_are_forgotten() -> None:
    functions = Functions()
    inner = named.nested()
    with pytest.raises(NotStorable):
        functions.describe(inner)
    gone = weakref.ref(inner)
    del inner
    gc.collect()
    assert gone() is None
