"""What a server was told that matters for tasks, from its command line, its variables and its configuration file."""

from __future__ import annotations

import argparse
import ast
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outlast.errors import SettingsError

KNOWN = ("gunicorn", "uvicorn", "hypercorn", "granian", "fastapi")
COMMAND_LINE = "--server"
_OF_WORKERS = ("post_fork", "post_worker_init")
_LOGS = re.compile(r"pass$|['\"]|(?:server|worker)\.log\.\w+\(|print\(|log(?:ger|ging)?\.\w+\(")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(.*\))?")
_VARIABLE = re.compile(r"[A-Za-z_]\w*=.*")


@dataclass(frozen=True, slots=True)
class Server:
    """A server's settings; times are seconds, None and 0 mean no limit.

    app: what it runs, `module:name`, empty if it was not told. folder: from where it imports that.
    log_config: the file that sets up logging.
    timeout: of silence, after which a worker is killed. graceful: what a worker may take to stop.
    preload: whether gunicorn imports the app once, before it forks its workers.
    hook: the function of its configuration file that sets up each web worker of gunicorn.
    places: file and line, or the name of a variable or option, for each setting that was given.
    """

    name: str
    app: str = ""
    folder: str = ""
    worker_class: str = ""
    workers: int = 1
    timeout: float = 0.0
    graceful: float | None = None
    max_requests: int = 0
    preload: bool = False
    log_config: str = ""
    hook: str = ""
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def is_gunicorn_asgi(self) -> bool:
        """Whether gunicorn's own ASGI worker serves, which ends what a client that hangs up has begun."""
        return self.name == "gunicorn" and self.worker_class.rpartition(".")[2].lower() in ("asgi", "asgiworker")

    @property
    def runs_on_trio(self) -> bool:
        """Whether hypercorn serves with trio's event loop."""
        return self.name == "hypercorn" and self.worker_class == "trio"

    def place(self, setting: str) -> tuple[str, int]:
        """Where a setting was given; the server's name when it is the default."""
        return self.places.get(setting, (self.name, 0))


Given = dict[str, tuple[Any, tuple[str, int]]]


def read_server(command: str | None, environ: Mapping[str, str], folder: Path) -> Server | None:
    """The server of a command line; without one gunicorn, if its file or variable is there; else None.

    Raises SettingsError for a command line that cannot be understood.
    """
    words = _split(command or "")
    name, options, variables = _program(words)
    if command and not name:
        raise SettingsError(f"{command!r} names no server that is known: {', '.join(KNOWN)}")
    environ = {**environ, **variables}
    if name == "gunicorn" or not command:
        return _gunicorn(options, environ, folder, is_named=bool(command))
    return _uvicorn(name, options, environ)


def arguments_of(command: str) -> list[str]:
    """The `sys.argv` of the server that this command line starts."""
    name, options, _ = _program(_split(command))
    return [name, *options]


def _gunicorn(options: Sequence[str], environ: Mapping[str, str], folder: Path, *, is_named: bool) -> Server | None:
    words = _split(environ.get("GUNICORN_CMD_ARGS", ""))
    by_variable, by_command = _parsed(_GUNICORN, words, "GUNICORN_CMD_ARGS"), _parsed(_GUNICORN, options, COMMAND_LINE)
    config, _ = {**by_variable, **by_command}.get("config", ("gunicorn.conf.py", ("", 0)))
    by_file = _in_file(folder / str(config).removeprefix("file:"))
    if not is_named and not words and not by_file:
        return None
    given = _workers(environ) | {"timeout": (30.0, ("gunicorn", 0)), "graceful": (30.0, ("gunicorn", 0))}
    return _made("gunicorn", given | by_file | by_variable | by_command)


def _uvicorn(name: str, options: Sequence[str], environ: Mapping[str, str]) -> Server:
    given = _workers(environ) | _parsed(_UVICORN, options, COMMAND_LINE)
    server = _made(name, given)
    watches = name == "uvicorn" and server.workers > 1
    health = given.get("health", (5.0, ("uvicorn", 0)))
    return _made(name, {**given, "timeout": health}) if watches else server


def _made(name: str, given: Given) -> Server:
    factory = "()" if given.get("factory", (False,))[0] else ""
    wanted = {key: value for key, (value, _) in given.items() if key in Server.__slots__}
    wanted |= {"app": f"{wanted['app']}{factory}"} if wanted.get("app") else {}
    return Server(name, **wanted, places={key: place for key, (_, place) in given.items()})


def _workers(environ: Mapping[str, str]) -> Given:
    number = environ.get("WEB_CONCURRENCY", "")
    return {"workers": (int(number), ("WEB_CONCURRENCY", 0))} if number.isdecimal() else {}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise SettingsError(f"--server cannot be understood: {message}")


def _parser(options: Mapping[str, tuple[str, type]], flags: Sequence[str]) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    for names, (setting, kind) in options.items():
        parser.add_argument(*names.split(), dest=setting, type=kind, default=None)
    for flag in flags:
        parser.add_argument(f"--{flag}", dest=flag, action="store_const", const=True, default=None)
    return parser


_GUNICORN = _parser(
    {
        "-w --workers": ("workers", int),
        "-t --timeout": ("timeout", float),
        "-k --worker-class": ("worker_class", str),
        "-c --config": ("config", str),
        "--log-config --log-config-json": ("log_config", str),
        "--graceful-timeout": ("graceful", float),
        "--max-requests": ("max_requests", int),
        "--chdir --pythonpath": ("folder", str),
    },
    flags=("preload",),
)
_UVICORN = _parser(
    {
        "-w --workers": ("workers", int),
        "-k --worker-class": ("worker_class", str),
        "--timeout-worker-healthcheck": ("health", float),
        "--timeout-graceful-shutdown": ("graceful", float),
        "--limit-max-requests": ("max_requests", int),
        "--app-dir": ("folder", str),
        "--log-config": ("log_config", str),
    },
    flags=("factory",),
)
_IN_FILE: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "workers": ("workers", (int,)),
    "timeout": ("timeout", (int, float)),
    "worker_class": ("worker_class", (str,)),
    "graceful_timeout": ("graceful", (int, float)),
    "max_requests": ("max_requests", (int,)),
    "preload_app": ("preload", (bool,)),
    "wsgi_app": ("app", (str,)),
    "logconfig": ("log_config", (str,)),
    "logconfig_json": ("log_config", (str,)),
    "chdir": ("folder", (str,)),
}


def _parsed(parser: _Parser, words: Sequence[str], place: str) -> Given:
    """What is given among the words; the app is the one that looks like `module:name`."""
    options, rest = parser.parse_known_args(list(words))
    given: Given = {name: (value, (place, 0)) for name, value in vars(options).items() if value is not None}
    apps = [word for word in rest if _TARGET.fullmatch(word)]
    return given | ({"app": (apps[-1], (place, 0))} if apps else {})


def _in_file(path: Path) -> Given:
    """The settings of a configuration file that are plain values. It is read, not run."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    given: Given = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            setting, kinds = _IN_FILE.get(ast.unparse(node.targets[0]), ("", ()))
            if isinstance(node.value.value, kinds):
                given[setting] = (node.value.value, (str(path), node.lineno))
        if isinstance(node, ast.FunctionDef) and node.name in _OF_WORKERS and not _only_logs(node):
            given["hook"] = (node.name, (str(path), node.lineno))
    return given


def _only_logs(node: ast.FunctionDef) -> bool:
    return all(isinstance(one, (ast.Expr, ast.Pass)) and _LOGS.match(ast.unparse(one)) for one in node.body)


def _program(words: Sequence[str]) -> tuple[str, Sequence[str], dict[str, str]]:
    """The server, what is behind it, and the variables that are set before it."""
    for position, word in enumerate(words):
        name = Path(word).name
        if name in KNOWN:
            before = (one.partition("=") for one in words[:position] if _VARIABLE.fullmatch(one))
            return name, words[position + 1 :], {key: value for key, _, value in before}
    return "", [], {}


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} cannot be understood: {error}") from None
