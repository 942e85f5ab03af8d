"""The project's source code: which modules are its own, and what stands in their files."""

from __future__ import annotations

import ast
import os
import sys
import sysconfig
import tokenize
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from outlast.syntax import FunctionNode, Piece, called_at_import, changing_functions, functions_by_line, pieces

NOT_PYTHON = (SyntaxError, ValueError, RecursionError)
"""What the parser raises; the second for a NUL, the third for what is nested too deeply."""

_LIBRARIES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Source:
    """One file. `rest` is called between the steps of what takes long."""

    file: str
    text: str
    rest: Callable[[], None]

    @cached_property
    def tree(self) -> ast.Module:
        """All of it. Raises one of NOT_PYTHON when it was edited since it was imported, and is none now."""
        return ast.parse(self.text)

    def changing(self, names: Collection[str]) -> Iterator[FunctionNode]:
        """Its functions and methods that name one of `names` and may change what is not their own.

        Without those that set an application up, such as a lifespan.
        """
        if not _names_one(self.text, names):
            return
        try:
            yield from [node for one in self._rested() if _names_one(one.text, names) for node in one.changing]
        except NOT_PYTHON:  # it was not cut where it should be, or was edited
            yield from changing_functions(self._tree_or_nothing())

    def function(self, code: CodeType) -> FunctionNode | None:
        """The function that `code` was made from, in the tree of the whole file if that was asked for."""
        is_whole = "tree" in vars(self)
        try:
            by_line = self._by_line if is_whole else self._piece_at(code.co_firstlineno).by_line
        except NOT_PYTHON:
            by_line = self._by_line
        return by_line.get((code.co_name, code.co_firstlineno))

    def calls_at_import(self, name: str) -> bool:
        """Whether it calls or decorates with `name` at its import, as one does that fills a registry."""
        try:
            return any(name in piece.called_at_import for piece in self._rested() if name in piece.text)
        except NOT_PYTHON:
            return name in called_at_import(self._tree_or_nothing())

    @cached_property
    def _by_line(self) -> dict[tuple[str, int], FunctionNode]:
        return functions_by_line(self._tree_or_nothing())

    @cached_property
    def _pieces(self) -> tuple[Piece, ...]:
        return tuple(pieces(self.text))

    @cached_property
    def _lines(self) -> list[int]:
        return [piece.line for piece in self._pieces]

    def _piece_at(self, line: int) -> Piece:
        return self._pieces[max(0, bisect_right(self._lines, line - 1) - 1)]

    def _rested(self) -> Iterator[Piece]:
        for piece in self._pieces:
            self.rest()
            yield piece

    def _tree_or_nothing(self) -> ast.Module:
        try:
            return self.tree
        except NOT_PYTHON:
            return ast.Module([], [])


def _names_one(text: str, names: Collection[str]) -> bool:
    return any(name in text for name in names)


class Sources:
    """Finds and reads source files, each once as long as it stays the same.

    `rest` is called between the steps of what takes long, for example to let other threads have their turn.
    """

    def __init__(self, rest: Callable[[], None] = lambda: None) -> None:
        paths = sysconfig.get_paths()
        self._outside = {Path(paths["stdlib"]), Path(paths["platstdlib"]), Path(__file__).parent}
        self._own: dict[str, bool] = {}
        self._read: dict[str, tuple[int, Source | None]] = {}  # when it was changed (ns), and what was in it then
        self.rest = rest

    def function(self, function: object) -> tuple[Source, FunctionNode] | None:
        """The source of a function of the project; None for others and where there is no source."""
        if not isinstance(function, FunctionType) or not self.is_own_file(function.__code__.co_filename):
            return None
        source = self.file(function.__code__.co_filename)
        node = source.function(function.__code__) if source else None
        return (source, node) if source and node else None

    def module(self, module: ModuleType) -> Source | None:
        """The source of a module of the project."""
        return self.file(str(module.__file__)) if self.is_own_module(module) else None

    def own_modules(self) -> list[ModuleType]:
        """The modules of the project that are imported now."""
        return [module for module in list(sys.modules.values()) if self.is_own_module(module)]

    def is_own_module(self, module: object) -> bool:
        """Whether `module` is of the project: not in the standard library, not installed, not outlast's."""
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        return isinstance(file, str) and self.is_own_file(file)

    def is_own_class(self, cls: type) -> bool:
        """Whether `cls` was written in the project."""
        return self.is_own_module(sys.modules.get(cls.__module__))

    def is_own_file(self, file: str) -> bool:
        """Whether `file` is of the project."""
        if file not in self._own:
            self._own[file] = self._belongs(Path(file))
        return self._own[file]

    def file(self, file: str) -> Source | None:
        """The source in `file`; None where there is none."""
        try:
            changed_at = os.stat(file).st_mtime_ns  # noqa: PTH116 - for each file of a project, often
        except OSError:
            return None
        known = self._read.get(file)
        if known is None or known[0] != changed_at:
            self.rest()
            known = self._read[file] = changed_at, self._source(file)
        return known[1]

    def _source(self, file: str) -> Source | None:
        try:
            with tokenize.open(file) as opened:
                return Source(file, opened.read(), self.rest)
        except (OSError, UnicodeDecodeError, SyntaxError):  # the last for an encoding that there is not
            return None

    def _belongs(self, path: Path) -> bool:
        if path.suffix != ".py" or any(name in path.parts for name in _LIBRARIES):
            return False
        return not any(path.is_relative_to(folder) for folder in self._outside)
