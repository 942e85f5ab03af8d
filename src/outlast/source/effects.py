"""What one line of start-up code does that hurts when several processes do it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from outlast.source.belongings import class_of
from outlast.source.meanings import Names
from outlast.source.syntax import called_name, statements_at_top
from outlast.source.tracing import Traced
from outlast.system.packages import acts_once

LONGEST_CALL = 80  # characters


class Effect(Enum):
    """What a line of start-up code does."""

    STARTS = "starts"
    BINDS = "binds a port"
    REMOVES = "removes files"
    OVERWRITES = "overwrites a file"
    MOVES = "moves files"
    SIGNALS = "signals a process"
    CHANGES = "changes or deletes rows"


LASTING = (Effect.REMOVES, Effect.OVERWRITES, Effect.MOVES, Effect.SIGNALS, Effect.CHANGES)
"""What nobody sees afterwards who looks at the process."""

SECOND = ("call_later", "call_at", "run_in_executor")  # whose second argument is what they start
_BY_METHOD: Mapping[str, Effect] = {
    **dict.fromkeys(("create_task", "ensure_future", "start_soon", "run_coroutine_threadsafe"), Effect.STARTS),
    **dict.fromkeys(("Popen", "create_subprocess_exec", "create_subprocess_shell", "add_task_to_group"), Effect.STARTS),
    **dict.fromkeys(("bind", "create_server", "start_server", "start_unix_server", "start_http_server"), Effect.BINDS),
    **dict.fromkeys(("create_datagram_endpoint", "create_unix_server"), Effect.BINDS),
    **dict.fromkeys(("gather", *SECOND), Effect.STARTS),
    **dict.fromkeys(("add_insecure_port", "add_secure_port"), Effect.BINDS),
    **dict.fromkeys(("rmtree", "unlink", "rmdir", "removedirs"), Effect.REMOVES),
    **dict.fromkeys(("write_text", "write_bytes"), Effect.OVERWRITES),
    **dict.fromkeys(("update_many", "update_one", "delete_many", "delete_one", "drop_all", "flushdb"), Effect.CHANGES),
    **dict.fromkeys(("flushall", "bulk_update", "upgrade_head"), Effect.CHANGES),
}
_BY_NAME: Mapping[str, Effect] = {
    "os.remove": Effect.REMOVES,
    "os.truncate": Effect.OVERWRITES,
    **dict.fromkeys(("os.rename", "os.renames", "os.replace", "shutil.move"), Effect.MOVES),
    **dict.fromkeys(("os.kill", "os.killpg"), Effect.SIGNALS),
    "command.upgrade": Effect.CHANGES,
}
_WORDS = "|".join(
    sorted({name.rpartition(".")[2] for name, effect in {**_BY_METHOD, **_BY_NAME}.items() if effect in LASTING})
)
_LASTS = re.compile(rf"\b(?:{_WORDS}|open|replace|update|delete|exec\w*)\(")
_QUERIED = re.compile(r"\b(?:query|filter|filter_by|where|objects|all)\(")
_STATEMENT = re.compile(  # behind comments, a `with`, or another statement
    r"""(?:^|;)(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*
        (?:with\b.*?[()]\s*)?
        (?:update\s+(?:or\s+\w+\s+)?(?:only\s+)?\S+\s+(?:(?:as\s+)?\w+\s+)?set|delete\s+from|truncate
          |(?:insert\s+or\s+)?replace\s+into|drop\s+table)\b""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_SAYS = frozenset({"debug", "info", "warning", "error", "critical", "exception", "log", "print"})
_LIVELY = re.compile(r"scheduler|thread|process|consumer|poller|listener|observer|ticker|worker|bot|timer|beat", re.I)
_POOL = re.compile(r"executor|pool", re.I)


@dataclass(frozen=True, slots=True)
class Singular:
    """A line of start-up code that is meant for one process. `call`: the piece of source that does it."""

    effect: Effect
    call: str
    file: str
    line: int

    def __str__(self) -> str:
        what = self.call if self.effect is Effect.STARTS else f"({self.call})"
        return f"{self.effect.value} {what}"


def may_last(text: str) -> bool:
    """Whether a module's source may do something at its import that lasts: without a parser, which takes its time."""
    return _LASTS.search(text) is not None and any(map(_LASTS.search, statements_at_top(text)))


def short(text: str) -> str:
    """As much of a piece of source as a sentence takes."""
    return text if len(text) <= LONGEST_CALL else f"{text[:LONGEST_CALL]}…"


def effect_of(call: ast.Call, names: Traced) -> Effect | None:
    """What a call does; None for most."""
    name = ast.unparse(call.func)
    last = name.rpartition(".")[2]
    if _is_harmless(last, call):
        return None
    if (known := _BY_METHOD.get(last) or _BY_NAME.get(name)) is not None:
        return known
    if _starts(last, call, names):
        return Effect.STARTS
    return _effect_on_files(last, call, names) or (Effect.CHANGES if _changes_rows(name, call, names) else None)


def _effect_on_files(method: str, call: ast.Call, names: Traced) -> Effect | None:
    if _opens_anew(method, call):
        return Effect.OVERWRITES
    is_moved = method in ("rename", "replace") and issubclass(_class_of_receiver(call, names), PurePath)
    return Effect.MOVES if is_moved else None


def _changes_rows(name: str, call: ast.Call, names: Traced) -> bool:
    last = name.rpartition(".")[2]
    if last in ("update", "delete") and (_QUERIED.search(name) or _is_of_sqlalchemy(call, names)):
        return True
    return last not in _SAYS and any(map(_STATEMENT.search, _statements(call, names)))


def _is_harmless(method: str, call: ast.Call) -> bool:
    if method == "bind":  # of a logger, of a container
        return not (call.args and isinstance(call.args[0], ast.Tuple))
    if method in ("kill", "killpg"):  # asks only whether the process is there
        return len(call.args) > 1 and isinstance(call.args[1], ast.Constant) and call.args[1].value == 0
    return False


def _opens_anew(method: str, call: ast.Call) -> bool:
    """Whether it is `open(file, "w")`, `file.open("w")` or the like, which throws away what was there."""
    if method != "open" or "devnull" in ast.unparse(call):
        return False
    asked = [*call.args[:2], *(one.value for one in call.keywords if one.arg == "mode")]
    texts = (one.value for one in asked if isinstance(one, ast.Constant))
    return any(isinstance(one, str) and re.fullmatch(r"w[bt+]{0,2}(?:[:|]\w*)?", one) for one in texts)


def _statements(call: ast.Call, names: Traced) -> Iterator[str]:
    """The texts that a call is given, also by the name of a constant or of a local variable, or by an f-string."""
    waiting: list[ast.AST] = [*call.args, *call.keywords]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield _text(node)
            continue
        if isinstance(node, (ast.Name, ast.Attribute)):
            meaning = names.meaning(node)
            yield _said_by(meaning.value) if meaning is not None and meaning.exact else ""
            yield _text(names.assigned.once.get(node.id)) if isinstance(node, ast.Name) else ""
        waiting.extend(ast.iter_child_nodes(node))


def _text(node: ast.expr | None) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "x" for one in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _said_by(value: object) -> str:
    """A text, or that of a statement of SQLAlchemy, whose other statements tell by their class what they do."""
    if type(value) is str:
        return value
    cls = type(value)
    if cls.__module__.partition(".")[0] not in ("sqlalchemy", "sqlmodel"):
        return ""
    if cls.__name__ == "TextClause":
        return str(vars(value).get("text"))
    return {"Delete": "delete from x", "Update": "update x set"}.get(cls.__name__, "")


def _starts(method: str, call: ast.Call, names: Traced) -> bool:
    if method in ("submit", "apply_async"):
        return _is_of(_POOL, call, names)
    return method in ("start", "start_in_background", "run_forever", "start_polling") and _is_lively(call, names)


def _is_lively(call: ast.Call, names: Traced) -> bool:
    """Whether what is started is a scheduler, a thread or the like."""
    if not isinstance(call.func, ast.Attribute):
        return False
    package = _class_of_receiver(call, names).__module__.partition(".")[0]
    return acts_once(package) or (package != "logging" and _is_of(_LIVELY, call, names))


def _is_of(kind: re.Pattern[str], call: ast.Call, names: Traced) -> bool:
    """Whether the object whose method is called says of itself that it is of a kind, or its class does."""
    if not isinstance(call.func, ast.Attribute):
        return False
    classes = _class_of_receiver(call, names).__mro__
    return any(map(kind.search, (*_texts(call.func.value, names), *(one.__name__ for one in classes))))


def _texts(node: ast.expr, names: Traced) -> Iterator[str]:
    """What an expression says of itself and, of a local name, what says it that is assigned to it."""
    yield ast.unparse(node)
    value = names.assigned.once.get(node.id) if isinstance(node, ast.Name) else None
    if isinstance(value, ast.Call):
        yield ast.unparse(value.func)


def _class_of_receiver(call: ast.Call, names: Traced) -> type:
    """That of what leads to the method or, behind a local name, of what is made; `object` where it is not known."""
    if not isinstance(call.func, ast.Attribute):
        return object
    meaning = names.meaning(call.func.value)
    if meaning is not None and meaning.exact:
        return class_of(meaning.value)
    return names.class_made(call.func.value) or object


def _is_of_sqlalchemy(call: ast.Call, names: Names) -> bool:
    meaning = names.meaning(call.func)
    module = getattr(meaning.value, "__module__", "") if meaning is not None and meaning.exact else ""
    return str(module).partition(".")[0] in ("sqlalchemy", "sqlmodel")


def started_by(call: ast.Call) -> ast.expr:
    """What a call starts: its first argument, behind a delay or an executor the second, or what it is a method of."""
    is_second = called_name(call) in SECOND
    return call.args[is_second] if len(call.args) > is_second else call
