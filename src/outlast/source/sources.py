"""The project's source code: which modules are its own, and what stands in their files."""

from __future__ import annotations

import ast
import os
import sys
import tokenize
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import TypeVar

from outlast.source.parsing import parsed
from outlast.source.syntax import FunctionNode, Piece, User, called_at_import, cuts, functions_by_line, users_of
from outlast.system.whose import is_users
from outlast.text import is_a, module_of_class

T = TypeVar("T")

WHOLE = -1  # the number of the piece that is all of a source
NOT_PYTHON = (SyntaxError, ValueError, RecursionError)
"""What the parser raises; the second for a NUL, the third for what is nested too deeply."""

KEPT = 16  # of how many pieces the syntax trees are kept: methods of one class are looked at one after the other


@dataclass(frozen=True)
class Source:
    """One file. `rest` is called between the steps of what takes long."""

    file: str
    text: str
    rest: Callable[[], None]

    @cached_property
    def tree(self) -> ast.Module:
        """All of it. Raises one of NOT_PYTHON when it was edited since it was imported, and is none now."""
        return parsed(self.text)

    @cached_property
    def by_line(self) -> Mapping[tuple[str, int], FunctionNode]:
        """Every function in it by its name and first line, which is that of its first decorator."""
        try:
            return functions_by_line(self.tree)
        except NOT_PYTHON:
            return {}

    def changing(self, names: Collection[str]) -> Iterator[FunctionNode]:
        """Its functions and methods that name one of `names` and may change what is not their own.

        Without those that set an application up, such as a lifespan.
        """
        return self._asked(names, self._changing_in)

    def naming(self, name: str) -> Iterator[FunctionNode]:
        """Its functions and methods in whose text a name is."""
        return self._asked([name], lambda number: self._piece(number).functions().values())

    def users_of(self, name: str) -> Iterator[User]:
        """Who calls or names a function in it."""
        return self._asked([name], lambda number: users_of(self._piece(number).tree(), name))

    def calls_at_import(self, name: str) -> bool:
        """Whether it calls or decorates with `name` at its import, as one does that fills a registry."""
        return name in self._asked([name], lambda number: called_at_import(self._piece(number).tree()))

    def piece_at(self, line: int) -> Piece:
        """The piece that has a line, counted from 1."""
        _, lines = self._cuts
        return self._piece(max(0, bisect_right(lines, line - 1) - 1))

    def _asked(self, names: Collection[str], ask: Callable[[int], Iterable[T]]) -> Iterator[T]:
        """What is found in the pieces that have one of `names` in them, by their numbers."""
        try:
            for number in self._pieces_with(names):
                self.rest()
                yield from ask(number)
        except NOT_PYTHON:  # it was not cut where it should be, or was edited
            with suppress(*NOT_PYTHON):
                yield from ask(WHOLE)

    def _changing_in(self, number: int) -> tuple[FunctionNode, ...]:
        if number not in self._changing:
            self._changing[number] = self._piece(number).changing()
        return self._changing[number]

    def _pieces_with(self, names: Collection[str]) -> list[int]:
        """The numbers of the pieces that have one of `names` in them."""
        if not any(name in self.text for name in names):
            return []
        begins, _ = self._cuts
        spans = enumerate(zip(begins, [*begins[1:], len(self.text)], strict=True))
        return [number for number, span in spans if any(self.text.find(name, *span) >= 0 for name in names)]

    def _piece(self, number: int) -> Piece:
        if number == WHOLE:
            return Piece(0, self.text)
        begins, lines = self._cuts
        end = begins[number + 1] if number + 1 < len(begins) else len(self.text)
        return Piece(lines[number], self.text[begins[number] : end])

    @cached_property
    def _cuts(self) -> tuple[array[int], array[int]]:
        """Where the pieces begin: positions, and how many lines stand before.

        Numbers only: thousands of objects would make the garbage collector look at all there is, at once.
        """
        found = list(cuts(self.text))
        return array("L", [begin for begin, _ in found]), array("L", [line for _, line in found])

    @cached_property
    def _changing(self) -> dict[int, tuple[FunctionNode, ...]]:
        return {}


class Sources:
    """Finds and reads source files, each once as long as it stays the same.

    `rest` is called between the steps of what takes long, for example to let other threads have their turn.
    """

    def __init__(self, rest: Callable[[], None] = lambda: None) -> None:
        self._own: dict[str, bool] = {}
        self._read: dict[str, tuple[int, Source | None]] = {}  # when it was changed (ns), and what was in it then
        self._functions_of = lru_cache(maxsize=KEPT)(Piece.functions)
        self.rest = rest

    def function(self, function: object) -> tuple[Source, FunctionNode] | None:
        """The source of a function of the project; None for others and where there is no source."""
        if not isinstance(function, FunctionType) or not self.is_own_file(function.__code__.co_filename):
            return None
        code = function.__code__
        source = self.file(code.co_filename)
        node = self._functions_near(source, code).get((code.co_name, code.co_firstlineno)) if source else None
        return (source, node) if source and node else None

    def _functions_near(self, source: Source, code: CodeType) -> Mapping[tuple[str, int], FunctionNode]:
        """Those of the whole file's tree where that was asked for, or where the file is not cut as it should be."""
        if "tree" in vars(source):
            return source.by_line
        self.rest()
        try:
            return self._functions_of(source.piece_at(code.co_firstlineno))
        except NOT_PYTHON:
            return source.by_line

    def module(self, module: ModuleType) -> Source | None:
        """The source of a module of the project."""
        return self.file(str(module.__file__)) if self.is_own_module(module) else None

    def own_modules(self) -> list[ModuleType]:
        """The modules of the project that are imported now."""
        return [module for module in list(sys.modules.values()) if self.is_own_module(module)]

    def is_own_module(self, module: object) -> bool:
        """Whether `module` is of the project: not in the standard library, not installed, not outlast's."""
        file = vars(module).get("__file__") if is_a(module, ModuleType) else None
        return isinstance(file, str) and self.is_own_file(file)

    def is_own_class(self, cls: type) -> bool:
        """Whether `cls` was written in the project."""
        return self.is_own_module(sys.modules.get(module_of_class(cls)))

    def is_own_file(self, file: str) -> bool:
        """Whether `file` is of the project."""
        if file not in self._own:
            self.rest()
            self._own[file] = file.endswith(".py") and is_users(file)
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
