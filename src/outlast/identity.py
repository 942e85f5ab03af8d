"""Which app this process runs, and which release of its code: the same for all web workers of one start."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType

from outlast.deployments import Deployment, Home
from outlast.discovery import app_in_modules, app_of_server, names_in_modules
from outlast.forks import OfOneProcess
from outlast.hello import Environment, main_file
from outlast.links import Links
from outlast.process import this
from outlast.settings import Settings
from outlast.sources import Sources
from outlast.text import LONGEST_PATH, MOST_NAME, one_line

DIGEST = 4  # bytes: it tells the few releases of one app from each other


class Identity(OfOneProcess):
    """Of one app in this process.

    target: the app's `module:name` as the settings or the server have it, empty as long as nobody has said so.
    serves: whether a server runs it. made_in: where `install` was called, as `module:function()` or `module`.
    """

    def __init__(self, app: Callable[[], object], made_in: str) -> None:
        self.target = ""
        self.serves = False
        self._app = app
        self._made_in = made_in
        self._links = Links()
        self._lock = threading.Lock()
        self._code: tuple[str, float] | None = None
        this.forks.tell(self)

    def begin_anew(self, target: str) -> None:
        """Another server or test is about to run it; `target` is what its settings name."""
        self.target, self.serves = target, False

    def ask_server(self) -> None:
        """Learn the target from the server's frames, which are below us only on its event loop."""
        self.serves = True
        self.target = self.target or app_of_server()

    def environment(self, settings: Settings) -> Environment:
        """Where the app runs here. Its target is empty when it is not found."""
        return Environment.here(self.target or app_in_modules(self._app()), settings, self._links)

    def home(self, settings: Settings) -> Home:
        """That of the tasks of this process. Reads files, see `deployment`."""
        if not this.is_child:
            return self.deployment(settings).home
        names = self._names(settings)
        return replace(this.home, app=names[0]) if names and this.home.app not in names else this.home

    def deployment(self, settings: Settings) -> Deployment:
        """That of this process. Reads the files that are imported, the first time: the event loop is no place for it.

        Without the setting `release` it is what stands in them.
        """
        module = _module_of(self._plain_names())
        root = _root_of(module)
        release, changed_at = self._code_in(root, module)
        real = one_line(self._links.real(root), LONGEST_PATH)
        return Deployment(self._names(settings), one_line(settings.release, MOST_NAME) or release, real, changed_at)

    def before_fork(self) -> None:
        """A copy of this process has its code, whatever stands in the files by the time that it is asked."""
        if not this.is_child:
            module = _module_of(self._plain_names())
            self._code_in(_root_of(module), module)

    def _names(self, settings: Settings) -> tuple[str, ...]:
        """What it is called, with the folder of its code before it where that is below the one of which the journal is.

        Apps of the same name in such folders are different ones; those that were given one journal are releases.
        """
        names = self._plain_names()
        return _told(names, _root_of(_module_of(names)), settings)

    def _plain_names(self) -> tuple[str, ...]:
        """By the server and by the modules that have it; without either by what has made it."""
        in_modules = [_real(name) for name in names_in_modules(self._app())]
        if self.target:
            return tuple(dict.fromkeys([_real(self.target), *in_modules]))
        of_main = [name for name in in_modules if name.partition(":")[0] == _main()]
        elsewhere = [name for name in in_modules if name not in of_main]
        made_by = _main() if self.serves and not in_modules else _real(self._made_in)
        return tuple(filter(None, dict.fromkeys([*elsewhere, made_by, *of_main])))

    def _code_in(self, root: str, module: str) -> tuple[str, float]:
        with self._lock:
            if self._code is None:
                self._code = _state_of(root, _own_files(module.partition(".")[0]))
            return self._code


def deployment_to_be(settings: Settings) -> Deployment:
    """That of the app that `settings` name, which is not imported here: its release is not known."""
    with suppress(ImportError, ValueError):
        spec = find_spec(settings.app.partition(":")[0].partition(".")[0])
        file = spec.origin or next(iter(spec.submodule_search_locations or ()), "") if spec else ""
        depth = 1 if spec and spec.submodule_search_locations else 0
        root = str(Path(file or "x").absolute().parents[depth])
        names = _told([settings.app], root, settings)
        return Deployment(names, one_line(settings.release, MOST_NAME), os.path.realpath(root))
    return Deployment()


def _told(names: Iterable[str], root: str, settings: Settings) -> tuple[str, ...]:
    is_elsewhere = settings.url.startswith("sqlite:////")
    below = os.curdir if is_elsewhere else os.path.relpath(root)
    where = "" if below == os.curdir or below.startswith(os.pardir) else f"{below}/"
    return tuple(one_line(f"{where}{name}", MOST_NAME) for name in names)


def name_of(frame: FrameType) -> str:
    """What runs in a frame, as a target: `module:function()`, or `module` at the top level of one."""
    module, code = str(frame.f_globals.get("__name__")), frame.f_code
    return module if code.co_name == "<module>" else f"{module}:{code.co_qualname}()"


def _real(name: str) -> str:
    """The same name where a program is not called `__main__`."""
    module, colon, rest = name.partition(":")
    return f"{_main()}{colon}{rest}" if module == "__main__" else name


def _main() -> str:
    """The name by which the program of this process would be imported."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name) if spec is not None else Path(main_file()).stem


def _module_of(names: Iterable[str]) -> str:
    """The first module among those of some names that is imported; empty for none."""
    modules = (name.partition(":")[0] for name in names)
    return next((one for one in modules if one in sys.modules or one == _main()), "")


def _root_of(module: str) -> str:
    """The folder from which a module is imported, as it stands on the import path."""
    found = sys.modules.get("__main__" if module == _main() and module not in sys.modules else module)
    file = getattr(found, "__file__", None)
    if not isinstance(file, str):
        return os.getcwd()  # noqa: PTH109 - as text
    is_package = Path(file).name == "__init__.py"
    depth = module.count(".") + is_package if found is not sys.modules.get("__main__") else 0
    return str(Path(file).absolute().parents[depth])


def _own_files(package: str) -> Iterator[str]:
    """The files of the project that are imported, also where the app's own package is installed among libraries."""
    sources = Sources()
    for name, module in list(sys.modules.items()):
        is_of_app = bool(package) and name.partition(".")[0] == package
        if isinstance(module, ModuleType) and (is_of_app or sources.is_own_module(module)):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(".py"):
                yield file


def _state_of(root: str, files: Iterable[str]) -> tuple[str, float]:
    """A digest of what files have in them, wherever they are, and when the newest was changed."""
    digest, changed_at = blake2b(digest_size=DIGEST), 0.0
    for file in sorted(set(files)):
        try:
            content, changed = Path(file).read_bytes(), Path(file).stat().st_mtime
        except OSError:  # gone since it was imported
            continue
        digest.update(os.path.relpath(file, root).encode(errors="replace"))
        digest.update(blake2b(content).digest())
        changed_at = max(changed_at, changed)
    return (digest.hexdigest() if changed_at else ""), changed_at
