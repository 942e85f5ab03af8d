"""A file that is stashed for tasks: what `outlast.stash` gives, and what a task gets that it is passed to."""

from __future__ import annotations

import io
import os
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from outlast.errors import StashGone
from outlast.system.process import this
from outlast.system.stash import NAME, Stash
from outlast.text import MOST_NAME, in_one_line, one_line

if TYPE_CHECKING:
    from fastapi import UploadFile
else:
    try:
        from fastapi import UploadFile
    except ImportError:  # an app of Starlette alone
        from starlette.datastructures import UploadFile


class Held(str):
    """The name of a stashed file, which stays as long as this object: with those who add it, until that is stored."""

    def __new__(cls, name: str, file: BinaryIO | None = None) -> Held:
        """`file` has the lock; None where nothing is on disk."""
        held = super().__new__(cls, name)
        if file is not None:
            weakref.finalize(held, os.close, os.dup(file.fileno())).atexit = False
        return held

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Held:
        return self


class StashedFile(UploadFile):
    """An uploaded file that is kept beside the journal for tasks. To be read, not written; each task has its own.

    It is gone when all tasks have ended that it was given to. filename, content_type, size (bytes): of the upload.
    What reads it raises StashGone when it is not there any more.
    """

    def __init__(
        self,
        held: Held,
        filename: str | None,
        content_type: str | None,
        size: int,
        source: Stash | bytes | None = None,
    ) -> None:
        """`source`: the folder that it is in, by default that of this process; or, in a test, what is in it."""
        self.held = held
        self.filename = filename
        self.size = size
        self.headers = Headers({"content-type": content_type} if content_type else {})
        self._source = source
        self._file: BinaryIO | None = None

    @property
    def file(self) -> BinaryIO:  # type: ignore[override]
        """The file itself, opened when it is first asked for; for code without an event loop."""
        if self._file is None:
            self._file = self._opened()
            weakref.finalize(self, self._file.close).atexit = False
        return self._file

    async def read(self, size: int = -1) -> bytes:
        """At most so many bytes from where it stands, all by default."""
        return await run_in_threadpool(lambda: self.file.read(size))

    async def seek(self, offset: int) -> None:
        """Go on from there."""
        await run_in_threadpool(lambda: self.file.seek(offset))

    async def write(self, data: bytes) -> None:  # noqa: ARG002
        """Raises UnsupportedOperation: others may have the same file."""
        raise io.UnsupportedOperation("a stashed file is to be read: others may have it, too")

    async def close(self) -> None:
        """It is closed by itself, too."""
        if self._file is not None:
            self._file.close()

    def anew(self) -> StashedFile:
        """The same from its beginning."""
        return StashedFile(self.held, self.filename, self.content_type, self.size or 0, self._source)

    @property
    def told(self) -> dict[str, Any]:
        """What stands in a journal for it."""
        return {"stash": str(self.held), "name": self.filename, "type": self.content_type, "size": self.size}

    @classmethod
    def read_from(cls, told: Any) -> StashedFile:
        """What stands in a journal. Raises ValueError for what cannot."""
        match told:
            case {
                "stash": str(name),
                "name": str() | None as filename,
                "type": str() | None as kind,
                "size": int(size),
            }:
                if (kept := this.rehearsal.stashed.get(name)) is not None:
                    return cls(kept.held, filename, kind, size, kept._source)
                if NAME.fullmatch(name):
                    return cls(Held(name), filename, kind, size)
        raise ValueError("that is no stashed file")

    def _opened(self) -> BinaryIO:
        if isinstance(self._source, bytes):
            return io.BytesIO(self._source)
        stash = self._source or this.role.stash
        try:
            file: BinaryIO = stash.open(self.held)
        except OSError as error:
            raise StashGone(f"{self._shown} is not in {stash.path} any more ({in_one_line(error)})") from error
        if os.fstat(file.fileno()).st_size != self.size:
            file.close()
            raise StashGone(f"{self._shown} is not what was stashed: it has not {self.size} bytes")
        return file

    @property
    def _shown(self) -> str:
        return f"stashed file {one_line(self.filename or str(self.held), MOST_NAME)}"
