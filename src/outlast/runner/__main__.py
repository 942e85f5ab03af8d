"""`python -m outlast.runner PATH [--shared-folder] [--state=FOLDER]`: what a web worker starts where there is none."""

from __future__ import annotations

import os
import sys


def main(path: str, *flags: str) -> None:
    """Detach, then run. The caller waits only for the fork, so that comes before every import that takes time."""
    if os.fork():
        os._exit(0)
    from outlast.runner.start import start

    state = next((one.removeprefix("--state=") for one in flags if one.startswith("--state=")), None)
    start(path, state, is_shared="--shared-folder" in flags)


if __name__ == "__main__":
    main(*sys.argv[1:])
