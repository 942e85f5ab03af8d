"""`outlast.stash`: an uploaded file is written beside the journal, where the tasks find it that it is passed to."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, BinaryIO

from starlette.datastructures import UploadFile

from outlast.errors import NotStorable, StoreFailed
from outlast.functions.stashed import Held, StashedFile
from outlast.journal.location import prepare_folder
from outlast.system.process import this
from outlast.system.stash import Stash
from outlast.text import MOST_NAME, in_one_line, one_line
from outlast.web.journal import Journal

Bytes = bytes | bytearray | memoryview
Source = UploadFile | IO[bytes] | Bytes
CHUNK = 1 << 20  # bytes that are in memory at once
_NO_SOURCE = "{} cannot be stashed: give an upload, a file that is open in binary, open(path, 'rb'), or bytes"


async def stash_for(journal: Journal, source: Source, filename: str | None, content_type: str | None) -> StashedFile:
    """See `outlast.stash`. In a test without a journal it is kept in memory."""
    _refuse_odd(source, filename, content_type)
    name = filename if filename is not None else _name_of(source)
    kind = content_type if content_type is not None or not isinstance(source, UploadFile) else source.content_type
    limited = _limited(_chunks(source), journal.app.settings.max_stash, name)
    if not journal.records:
        content = b"".join([chunk async for chunk in limited])
        kept = StashedFile(Held(secrets.token_hex(16)), name, kind, len(content), content)
        this.rehearsal.stashed[kept.held] = kept
        return kept
    place = journal.app.service.place
    await asyncio.to_thread(prepare_folder, place)
    stash = Stash(place)
    try:
        async with _making(stash) as (new, file):
            async for chunk in limited:
                await asyncio.to_thread(file.write, chunk)
            await asyncio.to_thread(stash.keep, file)
            return StashedFile(Held(new, file), name, kind, os.fstat(file.fileno()).st_size, stash)
    except OSError as error:
        raise StoreFailed(f"{_shown(name)} cannot be stashed in {stash.path}: {in_one_line(error)}") from error


def _refuse_odd(source: object, filename: object, content_type: object) -> None:
    """Raises NotStorable for what no stashed file can be or have."""
    if not isinstance(source, Bytes) and not callable(getattr(source, "read", None)):
        raise NotStorable(_NO_SOURCE.format(f"{source!r:.100}"))
    if filename is not None and not isinstance(filename, str):
        raise NotStorable(f"the filename of a stashed file is {filename!r:.100}, but it has to be text")
    if content_type is not None and not (isinstance(content_type, str) and content_type.isascii()):
        raise NotStorable(f"the content_type of a stashed file is {content_type!r:.100}, but it has to be ASCII text")


@asynccontextmanager
async def _making(stash: Stash) -> AsyncIterator[tuple[str, BinaryIO]]:
    """A block that writes a file, of which nothing is left if it raises."""
    name, file = await asyncio.to_thread(stash.make)
    try:
        with file:
            yield name, file
    except BaseException:
        stash.remove(name)
        raise


async def _chunks(source: Source) -> AsyncIterator[bytes]:
    """Raises NotStorable for a file that gives something else."""
    if isinstance(source, Bytes):
        yield bytes(source)
    elif isinstance(source, UploadFile):
        await source.seek(0)
        while chunk := await source.read(CHUNK):
            yield chunk
        await source.seek(0)
    else:
        while chunk := await asyncio.to_thread(source.read, CHUNK):
            if not isinstance(chunk, Bytes):
                raise NotStorable(_NO_SOURCE.format(f"{source!r:.100}"))
            yield chunk


async def _limited(chunks: AsyncIterator[bytes], most: int, name: str | None) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if most and size > most:
            raise NotStorable(f"{_shown(name)} is larger than {most} bytes, which is what setting max_stash allows")
        yield chunk


def _name_of(source: Source) -> str | None:
    if isinstance(source, UploadFile):
        return source.filename
    name = getattr(source, "name", None)
    return Path(name).name if isinstance(name, str) else None


def _shown(name: str | None) -> str:
    return one_line(name, MOST_NAME) if name else "a file without a name"
