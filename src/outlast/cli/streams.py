"""The streams that a command has from whoever started it: closed, full, read by nobody any more, of few letters."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

import click

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_GONE = "the current folder is not there any more: change to another one"


def make_usable() -> None:
    """What was closed (`>&-`) leads nowhere from now on, so that no file that is opened later takes its number.

    What has not all letters shows the others by their numbers.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 - for good
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr is from the beginning


def stop(error: OSError | UnicodeEncodeError) -> None:
    """Say in one sentence what the system has refused to a command as a whole, and end it."""
    with suppress(OSError):
        click.echo(f"outlast: {_sentence(error)}", err=True)
    with suppress(OSError):  # or Python would try once more to print the rest
        sys.stdout.close()
    sys.exit(1)


def _sentence(error: OSError | UnicodeEncodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!r} is not text in UTF-8"
    if error.errno in _NO_ROOM and error.filename is None:
        return f"what this prints cannot be written: {error.strerror}"
    try:
        os.getcwd()  # noqa: PTH109 - as everything else asks
    except FileNotFoundError:
        return _GONE
    return str(error)
