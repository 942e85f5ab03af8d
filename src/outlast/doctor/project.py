"""The project's own files: those the import of the app has loaded, and those that their imports lead to."""

from __future__ import annotations

import ast
import os
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from outlast.source.sources import NOT_PYTHON, Source, Sources
from outlast.source.syntax import FunctionNode, imported_names


@dataclass(frozen=True)
class ProjectFile:
    """One file. `module` is None when the import of the app has not loaded it, so that only its source is known."""

    name: str
    source: Source
    module: ModuleType | None

    @property
    def package(self) -> str:
        """What its relative imports are relative to."""
        is_package = Path(self.source.file).name == "__init__.py"
        return self.name if is_package else self.name.rpartition(".")[0]

    @cached_property
    def definitions(self) -> dict[str, FunctionNode]:
        """Its functions at the top level, by name."""
        return {node.name: node for node in self.source.tree.body if isinstance(node, FunctionNode)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """Full name by the name that a statement outside of its functions has bound to it."""
        return dict(imported_names(statements_outside_of_functions(self.source.tree), self.package))


@dataclass(frozen=True)
class BrokenFile:
    """A file that no import can succeed of."""

    file: str
    line: int
    message: str


class Project:
    """The files of the project below `folder`, or beside the top of the package `app_module` is in."""

    def __init__(self, folder: Path, app_module: str, sources: Sources) -> None:
        self._sources = sources
        self._folder = folder.resolve()
        self._roots: list[Path] = []
        self.files: dict[str, ProjectFile] = {}
        self.broken: list[BrokenFile] = []
        self._collect_loaded(_home_of(app_module) or self._folder)
        self._collect_reachable()

    def definition(self, full_name: str) -> tuple[ProjectFile, FunctionNode] | None:
        """The function at the top level of a module that `package.module.function` names."""
        module_name, _, name = full_name.rpartition(".")
        file = self.files.get(module_name)
        node = file.definitions.get(name) if file else None
        return (file, node) if file and node else None

    def _collect_loaded(self, home: Path) -> None:
        for module in self._sources.own_modules():
            path = Path(str(module.__file__)).resolve()
            if not any(path.is_relative_to(place) for place in (self._folder, home)):
                continue
            source = _readable(self._sources.module(module))
            if source is not None and module.__name__ not in self.files:
                self.files[module.__name__] = ProjectFile(module.__name__, source, module)
                self._remember_root(path, module.__name__)

    def _remember_root(self, path: Path, name: str) -> None:
        depth = len(name.split(".")) - (path.name != "__init__.py")
        root = path.parents[depth]
        if root not in self._roots:
            self._roots.append(root)

    def _collect_reachable(self) -> None:
        waiting = deque(self.files.values())
        seen = set(self.files)
        while waiting:
            for name in _modules_imported_by(waiting.popleft()):
                if name in seen:
                    continue
                seen.add(name)
                file = self._read(name)
                if file is not None:
                    self.files[name] = file
                    waiting.append(file)

    def _read(self, name: str) -> ProjectFile | None:
        path = next((found for root in self._roots if (found := _file_of(root, name))), None)
        if path is None or not self._sources.is_own_file(str(path)):
            return None
        source = _readable(self._sources.file(str(path)))
        if source is None:
            self.broken.extend(_complaint(path))
            return None
        return ProjectFile(name, source, None)


def statements_outside_of_functions(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported, or a function called: all below `node` but the bodies of functions in it."""
    waiting = deque(ast.iter_child_nodes(node))
    while waiting:
        child = waiting.popleft()
        yield child
        if isinstance(child, FunctionNode):
            waiting.extend((*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)))
        else:
            waiting.extend(ast.iter_child_nodes(child))


def _modules_imported_by(file: ProjectFile) -> Iterator[str]:
    """With the packages above them, which are imported first; some of the names may be no modules."""
    nodes = list(ast.walk(file.source.tree))
    plain = (alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names)
    for full_name in (*plain, *(name for _, name in imported_names(nodes, file.package))):
        parts = full_name.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _home_of(module_name: str) -> Path | None:
    """The folder of the top package of an imported module."""
    top = sys.modules.get(module_name.partition(".")[0])
    file = getattr(top, "__file__", None)
    return Path(file).resolve().parent if file else None


def _file_of(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _readable(source: Source | None) -> Source | None:
    """`source`, if there is Python in it."""
    try:
        return source if source and source.tree.body else None
    except NOT_PYTHON:
        return None


def _complaint(path: Path) -> Iterator[BrokenFile]:
    try:
        ast.parse(path.read_bytes())
    except SyntaxError as error:
        yield BrokenFile(str(path), error.lineno or 0, error.msg)
    except (OSError, ValueError) as error:
        yield BrokenFile(str(path), 0, str(error))


def shown_file(file: str) -> str:
    """Relative to the current folder where that is shorter."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative
