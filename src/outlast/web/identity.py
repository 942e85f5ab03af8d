"""Which app this process runs, and which release of its code: the same for all web workers of one start."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType

from outlast.settings.settings import Settings
from outlast.system.deployment import Deployment, Home
from outlast.system.forks import OfOneProcess
from outlast.system.links import from_here, remember_folders, working_folder
from outlast.system.links import real as real_folder
from outlast.system.process import this
from outlast.system.program import NAMES, main_file, name_elsewhere
from outlast.system.whose import is_users
from outlast.text import LONGEST_PATH, MOST_NAME, one_line
from outlast.web.server import Host

DIGEST = 4  # bytes: it tells the few releases of one app from each other


@dataclass(frozen=True, slots=True)
class CodeRead:
    """What stood in the files of an app when the process `pid` read them: those `files`, named from `root`.

    release: a digest of all. changed_at: when the newest was changed, seconds since the epoch.
    """

    pid: int
    root: str
    files: tuple[str, ...]
    release: str
    changed_at: float

    @classmethod
    def now(cls, root: str, files: Iterable[str]) -> CodeRead:
        """Read them."""
        read = tuple(sorted(set(files)))
        return cls(os.getpid(), root, read, *_state_of(root, read))


class Identity(OfOneProcess):
    """Of one app in this process.

    host: the server that runs it, if one does. made_in: where `install` was called, as `module:function()` or `module`.
    """

    def __init__(self, app: Callable[[], object], made_in: str) -> None:
        self.host: Host | None = None
        self._told = ""
        self._app = app
        self._made_in = made_in
        remember_folders()
        self._lock = threading.Lock()
        self._read: CodeRead | None = None
        this.forks.tell(self)

    def begin_anew(self, target: str) -> None:
        """Another server or test is about to run it; `target` is what its settings name."""
        self._told, self.host = target, None

    @property
    def app(self) -> object:
        """It; None if it is gone."""
        return self._app()

    @property
    def target(self) -> str:
        """The app's `module:name` as the settings or the server have it, empty as long as nobody has said so."""
        return self._told or (self.host.app if self.host else "")

    @property
    def serves(self) -> bool:
        """Whether a server runs it."""
        return self.host is not None

    @property
    def app_name(self) -> str:
        """The target, else where a module has the app; empty when it is not found."""
        return self.target or self._name_in_modules

    @property
    def is_mounted(self) -> bool:
        """Whether the server serves another app, in which this one is mounted: that one's lifespan is entered."""
        return bool(self.target) and self.target != self._name_in_modules

    @property
    def _name_in_modules(self) -> str:
        return next(_names_in_modules(self._app()), "")

    def home(self, settings: Settings) -> Home:
        """That of the tasks of this process. Reads files, see `deployment`."""
        if not this.role.is_child:
            return self.deployment(settings).home
        plain = self._names()
        names = _told(plain, self._root(plain), settings)
        return replace(this.role.home, app=names[0]) if names and this.role.home.app not in names else this.role.home

    def deployment(self, settings: Settings) -> Deployment:
        """That of this process. Reads the files that are imported, the first time: the event loop is no place for it.

        Without the setting `release` it is what stands in them.
        """
        names = self._names()
        root = self._root(names)
        code = self._code(names, root)
        real = one_line(real_folder(root), LONGEST_PATH)
        called = one_line(settings.release, MOST_NAME) or code.release
        return Deployment(_told(names, root, settings), called, real, code.changed_at)

    def changed_since_fork(self) -> str:
        """A file that is no longer what it was when the process read it that this one has its code from, by a fork.

        Empty if there is none, or this process has imported its code itself. Reads files.
        """
        code = self._read
        if code is None or code.pid == os.getpid() or CodeRead.now(code.root, code.files).release == code.release:
            return ""
        return one_line(os.path.relpath(max(code.files, key=_changed_at), code.root), LONGEST_PATH)

    def before_fork(self) -> None:
        """A copy of this process has its code, whatever stands in the files by the time that it is asked."""
        if not this.role.is_child:
            names = self._names()
            self._code(names, self._root(names))

    def _names(self) -> tuple[str, ...]:
        """By the server and by the modules that have it; without either by the program, or by what has made it."""
        in_modules = [_real(name) for name in _names_in_modules(self._app())]
        of_main = [name for name in in_modules if name.partition(":")[0] == _main()]
        elsewhere = [name for name in in_modules if name not in of_main]
        made_by = _real(self._made_in)
        if self.target or elsewhere:
            found = [_real(self.target), *elsewhere, *of_main]
        elif self.serves:
            found = of_main or [_own_program() or made_by]
        else:  # a script that has made an app to ask for tasks of a server's
            found = [made_by if made_by.endswith("()") or not of_main else "", *of_main]
        return tuple(filter(None, dict.fromkeys(found)))

    def _root(self, names: Iterable[str]) -> str:
        """The folder from which its module is imported, as it stands on the import path."""
        modules = (name.partition(":")[0] for name in names)
        return next((root for module in modules if (root := _root_of(module))), working_folder())

    def _code(self, names: Iterable[str], root: str) -> CodeRead:
        with self._lock:
            packages = {name.partition(":")[0].partition(".")[0] for name in names}
            self._read = self._read or CodeRead.now(root, _own_files(packages))
            return self._read


def called(target: str) -> str:
    """`module:build()` for `module:build`."""
    return target if not target or "(" in target else f"{target}()"


def deployment_to_be(target: str, settings: Settings) -> Deployment:
    """That of an app that is not imported here: its release is not known, if `settings` do not name it."""
    with suppress(ImportError, ValueError):
        spec = find_spec(target.partition(":")[0].partition(".")[0])
        file = spec.origin or next(iter(spec.submodule_search_locations or ()), "") if spec else ""
        depth = 1 if spec and spec.submodule_search_locations else 0
        root = str(Path(file or "x").absolute().parents[depth])
        names = _told(dict.fromkeys((target, called(target))), root, settings)  # a factory is known when it is imported
        return Deployment(names, one_line(settings.release, MOST_NAME), os.path.realpath(root))
    return Deployment()


def _told(names: Iterable[str], root: str, settings: Settings) -> tuple[str, ...]:
    is_elsewhere = settings.url.startswith("sqlite:////")
    below = os.curdir if is_elsewhere else from_here(root)
    where = "" if below == os.curdir or below.startswith(os.pardir) else f"{below}/"
    return tuple(one_line(f"{where}{name}", MOST_NAME) for name in names)


def name_of(frame: FrameType) -> str:
    """What runs in a frame, as a target: `module:function()`, or `module` at the top level of one."""
    module, code = str(frame.f_globals.get("__name__")), frame.f_code
    return module if code.co_name == "<module>" else f"{module}:{code.co_qualname}()"


def _names_in_modules(app: object) -> Iterator[str]:
    """Each `module:name` under which `app` is found in imported modules, in programs last."""
    if app is None:
        return
    programs = [(name, sys.modules[name]) for name in NAMES if name in sys.modules]
    modules = [one for one in sys.modules.copy().items() if one[0] not in NAMES]
    for module_name, module in modules + programs:
        names = getattr(module, "__dict__", {})
        for name, value in list(names.items()):
            if value is app and not name.startswith("_"):
                yield f"{name_elsewhere(module_name)}:{name}"


def _real(name: str) -> str:
    """The same name where a program is not called `__main__`."""
    module, colon, rest = name.partition(":")
    return f"{_main()}{colon}{rest}" if module == "__main__" else name


def _main() -> str:
    """The name by which the program of this process would be imported."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return str(spec.name) if spec is not None and spec.name not in NAMES else Path(main_file()).stem


def _own_program() -> str:
    """The name of the program of this process where it is of the project, and not a server's own."""
    file = main_file()
    return _main() if file and is_users(file) else ""


def _root_of(module: str) -> str:
    """The folder from which a module is imported; empty where it is not."""
    is_program = module == _main() and module not in sys.modules
    file = getattr(sys.modules.get("__main__" if is_program else module), "__file__", None)
    if not isinstance(file, str):
        return ""
    is_package = Path(file).name == "__init__.py"
    return str(Path(file).absolute().parents[module.count(".") + is_package])


def _own_files(packages: Collection[str]) -> Iterator[str]:
    """The files of the project that are imported, also where the app's own package is installed among libraries."""
    for name, module in sys.modules.copy().items():
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if isinstance(file, str) and file.endswith(".py") and (name.partition(".")[0] in packages or is_users(file)):
            yield file


def _changed_at(file: str) -> float:
    try:
        return Path(file).stat().st_mtime
    except OSError:  # gone since it was imported
        return time.time()


def _state_of(root: str, files: Iterable[str]) -> tuple[str, float]:
    """A digest of what files have in them, wherever they are, and when the newest was changed."""
    digest, changed_at = blake2b(digest_size=DIGEST), 0.0
    for name, file in sorted((os.path.relpath(one, root), one) for one in set(files)):
        try:
            content, changed = Path(file).read_bytes(), Path(file).stat().st_mtime
        except OSError:  # gone since it was imported
            continue
        digest.update(name.encode(errors="replace"))
        digest.update(blake2b(content).digest())
        changed_at = max(changed_at, changed)
    return (digest.hexdigest() if changed_at else ""), changed_at
