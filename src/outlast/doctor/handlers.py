"""Log handlers of a server that task processes cannot have: what run time says of them when the first one follows.

Where logging is set up at the import of the app, each task process does that itself. What a `--log-config` and the
code under `if __name__ == "__main__":` put up is only told to them.
"""

from __future__ import annotations

import ast
import configparser
import importlib
import json
import logging
import logging.handlers
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from outlast.doctor.findings import Code, Finding, note, refusal
from outlast.doctor.project import Project
from outlast.doctor.server import Server
from outlast.events import hindrances
from outlast.logs.example import told_format
from outlast.logs.handlers import told_handler


def _samples() -> tuple[logging.Handler, ...]:
    """One of each class whose instances hold what cannot be told, so that run time's own judge says why."""
    queue, memory = logging.handlers.QueueHandler, logging.handlers.MemoryHandler
    return queue(SimpleQueue()), memory(1, target=logging.StreamHandler())


def handler_findings(server: Server | None, project: Project) -> Iterator[Finding]:
    """About the handlers in the file `config`, which `server` is given, and without a server those under `__main__`."""
    if server is not None:
        for logger, kind in _configured(Path(server.log_config)) if server.log_config else ():
            yield from _judged(kind, logger, server.place("log_config"))
        return  # which is no program of the project's
    for file in project.files.values():
        for call in _calls_under_main(file.source.tree):
            yield from _judged(_class_named(ast.unparse(call.func)), "", (file.source.file, call.lineno))


def lines_notes() -> Iterator[Finding]:
    """About the lines of the runner, where the import of the app has put up what makes lines look as they do."""
    unlike = told_format().get("unlike")
    if unlike:
        said, _, remedy = str(hindrances.LinesNotFollowed(unlike)).partition(". ")
        yield note(Code.LINES_NOT_FOLLOWED, (unlike, 0), said, remedy)


def _judged(kind: type | None, logger: str, place: tuple[str, int]) -> Iterator[Finding]:
    sample = next((one for one in _samples() if kind is not None and issubclass(kind, type(one))), None)
    if kind is not None and sample is not None:
        why = told_handler(sample)["why"]
        refused = str(hindrances.HandlerNotFollowed(f"{kind.__module__}:{kind.__qualname__}", logger, why))
        said, _, remedy = refused.rpartition(". ")
        yield refusal(Code.HANDLER_NOT_FOLLOWED, place, f"{said.replace(': ', ', and ')}: {remedy}")


def _class_named(name: str) -> type | None:
    """A class of logging, or of a module that is imported, by a name such as `handlers.QueueHandler`."""
    module, _, last = name.rpartition(".")
    for home in (module, f"logging.{module}", "logging.handlers"):
        found = getattr(sys.modules.get(home), last, None)
        if isinstance(found, type):
            return found
    return None


def _calls_under_main(tree: ast.Module) -> Iterator[ast.Call]:
    guarded = (one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test).startswith("__name__ =="))
    yield from (node for one in guarded for node in ast.walk(one) if isinstance(node, ast.Call))


def _configured(path: Path) -> Iterator[tuple[str, type | None]]:
    """Logger and class of each handler in a configuration file. Nothing of it is run."""
    try:
        text = path.read_text(encoding="utf-8")
        given = _parsed(path.suffix, text)
        handlers = given.get("handlers", {})
        loggers = {"": given.get("root", {}), **given.get("loggers", {})}
        pairs = [(name, one) for name, logger in loggers.items() for one in logger.get("handlers", ())]
        made = ((name, handlers.get(one, {})) for name, one in pairs)
        yield from ((name, _class_named(str(one.get("class") or one.get("()")))) for name, one in made)
    except (OSError, ValueError, AttributeError, TypeError, configparser.Error):
        return  # the server says what is wrong with it


def _parsed(suffix: str, text: str) -> Mapping[str, Any]:
    """As `logging.config.dictConfig` takes it."""
    if suffix == ".json":
        return dict(json.loads(text))
    if suffix in (".yaml", ".yml"):
        return _of_yaml(text)
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    handlers = {name.removeprefix("handler_"): one for name, one in sections.items() if name.startswith("handler_")}
    loggers = [one for name, one in sections.items() if name.startswith("logger_")]
    return {"handlers": handlers, "loggers": {one.get("qualname", ""): _listed(one) for one in loggers}}


def _listed(logger: Mapping[str, str]) -> dict[str, list[str]]:
    return {"handlers": [name.strip() for name in logger.get("handlers", "").split(",")]}


def _of_yaml(text: str) -> Mapping[str, Any]:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:  # uvicorn cannot read it then, either
        return {}
    try:
        return dict(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
