"""One process tells its logging, another one follows, whatever its own code does meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

TELL = "import json; from outlast.logs.setup import told_setup; print(json.dumps(told_setup()))"
FOLLOW = """
import json, sys
from outlast.logs.setup import Follower, told_setup
follower = Follower(json.loads(sys.argv[1]))
follower.begin()
{app}
follower.finish()
print(json.dumps(told_setup()))
"""
SET_UP = {
    "basic": ("import logging; logging.basicConfig(level=logging.DEBUG)", ""),
    "to a file": ("import logging; logging.basicConfig(filename='log.txt', level=logging.INFO)", ""),
    "rotating": (
        "import logging.handlers as h, logging; logging.getLogger('a').addHandler(h.RotatingFileHandler('r.txt'))",
        "",
    ),
    "syslog": ("import logging.handlers as h, logging; logging.getLogger().addHandler(h.SysLogHandler())", ""),
    "disabled below": ("import logging; logging.disable(logging.WARNING)", ""),
    "warnings": ("import logging; logging.captureWarnings(True)", ""),
    "by the app, too": (
        "import logging; logging.getLogger('a').addHandler(logging.StreamHandler())",
        "import logging; logging.getLogger('a').addHandler(logging.StreamHandler())",
    ),
    "by the app with another format, too": (
        "import logging\nfor f in '%(message)s x', '%(message)s':\n"
        "    h = logging.StreamHandler(); h.setFormatter(logging.Formatter(f)); logging.getLogger('a').addHandler(h)",
        "import logging; h = logging.StreamHandler(); h.setFormatter(logging.Formatter('%(message)s'));"
        " logging.getLogger('a').addHandler(h)",
    ),
    "by the app, if it is not there yet": (
        "import logging; logging.basicConfig(level=logging.INFO)",
        "import logging; logging.basicConfig(level=logging.INFO)",
    ),
    "by the app, which begins anew": (
        "import logging; logging.basicConfig(level=logging.INFO, force=True, format='%(message)s')",
        "import logging; logging.basicConfig(level=logging.INFO, force=True, format='%(message)s')",
    ),
    "another level since": (
        "import logging; logging.getLogger('a').setLevel(10)",
        "import logging; logging.getLogger('a').setLevel(50)",
    ),
    "filters": ("import logging; logging.getLogger('a').addFilter(logging.Filter('a.b'))", ""),
    "handlers of another logger": (
        "import logging; logging.getLogger('s').addHandler(logging.StreamHandler());"
        " logging.getLogger().handlers = logging.getLogger('s').handlers",
        "import logging; logging.getLogger().handlers = logging.getLogger('s').handlers",
    ),
}


def run(folder: Path, program: str, *arguments: str) -> tuple[str, str]:
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


@pytest.mark.parametrize("case", SET_UP)
def test_it_is_the_same_in_the_end(tmp_path: Path, case: str) -> None:
    servers, apps = SET_UP[case]
    told, _ = run(tmp_path, f"{servers}\n{TELL}")
    followed, complaints = run(tmp_path, FOLLOW.format(app=apps), told)
    assert (json.loads(followed), complaints) == (json.loads(told), "")


def test_a_file_is_appended_to_and_followed(tmp_path: Path) -> None:
    told, _ = run(tmp_path, f"import logging; logging.basicConfig(filename='log.txt', filemode='w', level=20)\n{TELL}")
    (tmp_path / "log.txt").write_text("of the server\n")
    app = """
import logging, pathlib
logging.info("first")
pathlib.Path("log.txt").rename("log.txt.1")
logging.info("second")
"""
    run(tmp_path, FOLLOW.format(app=app), told)
    assert (tmp_path / "log.txt.1").read_text() == "of the server\nINFO:root:first\n"
    assert (tmp_path / "log.txt").read_text() == "INFO:root:second\n"


BY_SIZE = "h.RotatingFileHandler('log.txt', maxBytes=99, backupCount=1)"
BEHIND_A_QUEUE = f"h.QueueHandler(queue); l = h.QueueListener(queue, {BY_SIZE}); l.start(); atexit.register(l.stop)"
FILES = {
    "begun anew, by size": "h.RotatingFileHandler('log.txt', mode='w')",
    "by size": BY_SIZE,
    "by time": "h.TimedRotatingFileHandler('log.txt', when='S')",
    "by size, behind a queue": BEHIND_A_QUEUE,
}


@pytest.mark.parametrize("case", FILES)
def test_the_server_alone_empties_and_renames_a_file_that_the_app_puts_up_at_its_import(
    tmp_path: Path, case: str
) -> None:
    app = (
        "import atexit, logging, logging.handlers as h, pathlib, queue as q, time; queue = q.SimpleQueue()\n"
        f"handler = {FILES[case]}; logging.getLogger().addHandler(handler)\n"
    )
    told, _ = run(tmp_path, f"{app}{TELL}")
    (tmp_path / "log.txt").write_text(f"{'server':99}\n")
    lines = (
        "logging.error('first'); time.sleep(1.01); logging.error('second')\n"
        "while not queue.empty(): time.sleep(0.01)\n"
        "pathlib.Path('log.txt').rename('moved.txt'); logging.error('third')"
    )
    run(tmp_path, FOLLOW.format(app=app) + lines, told)
    renamed, of_now = ((tmp_path / name).read_text().split() for name in ("moved.txt", "log.txt"))
    assert [*renamed, *of_now] == ["server", "first", "second", "third"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["log.txt", "moved.txt"]


def test_a_handler_that_cannot_be_followed_is_said_once_and_its_lines_are_seen(tmp_path: Path) -> None:
    queue = (
        "import logging, logging.handlers as h, queue; logging.getLogger().addHandler(h.QueueHandler(queue.Queue()))"
    )
    told, _ = run(tmp_path, f"{queue}\n{TELL}")
    later = "follower.finish(); import logging; logging.getLogger('a').warning('seen')"
    program = FOLLOW.format(app="") + later
    _, complaints = run(tmp_path, program, told)
    assert complaints.count("the handler logging.handlers.QueueHandler of logger 'root' in the server cannot") == 1
    assert complaints.splitlines()[-1] == "seen"


@pytest.mark.parametrize(
    "others", ["", "r.addHandler(logging.StreamHandler())", "r.handlers.insert(0, logging.StreamHandler())"]
)
def test_lines_of_several_handlers_that_cannot_be_followed_are_seen_once(tmp_path: Path, others: str) -> None:
    """pytest has two of a kind."""
    made = "import logging, logging.handlers as h, queue; r = logging.getLogger()"
    queues = "for _ in range(2): r.addHandler(h.QueueHandler(queue.Queue()))"
    told, _ = run(tmp_path, f"{made}\n{queues}\n{others}\n{TELL}")
    program = FOLLOW.format(app="") + "import logging; logging.getLogger('a').warning('seen')"
    _, complaints = run(tmp_path, program, told)
    assert complaints.splitlines().count("seen") == 1


def test_a_logger_with_a_filter_says_nothing_that_it_does_not_say_in_the_server(tmp_path: Path) -> None:
    """As a library does that is asked for no debug lines."""
    library = """
import logging
class Quiet(logging.Filter):
    def filter(self, record):
        return False
logger = logging.getLogger("library")
logger.addFilter(Quiet())
logger.setLevel(logging.DEBUG)
logger.addHandler(logging.StreamHandler())
logger.debug("not to be seen")
"""
    told, _ = run(tmp_path, f"{library}\n{TELL}")
    early = "import logging; logging.getLogger('library').debug('not to be seen')"
    assert run(tmp_path, FOLLOW.format(app=f"{early}\n{library}"), told)[1] == ""
