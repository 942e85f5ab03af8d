"""Where settings come from, and that none is passed over without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from outlast.errors import SettingsError
from outlast.settings import Settings

OUTLAST = str(Path(sys.executable).with_name("outlast"))


@pytest.fixture
def pyproject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pyproject.toml"


def test_no_pyproject_is_no_settings(pyproject: Path) -> None:
    assert Settings.load({}) == Settings()
    pyproject.write_text("[project]\nname = 'app'\n")
    assert Settings.load({}) == Settings()


def test_a_variable_stands_above_pyproject_and_an_argument_above_both(pyproject: Path) -> None:
    pyproject.write_text("[tool.outlast]\ndrain = 1\nlinger = 1\ngrace = 1\n")
    loaded = Settings.load({"OUTLAST_LINGER": "2", "OUTLAST_GRACE": "2"}, grace=3)
    assert (loaded.drain, loaded.linger, loaded.grace) == (1.0, 2.0, 3.0)


def test_an_empty_environment_is_empty(pyproject: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLAST_DRAIN", "7")
    assert Settings.load().drain == 7.0
    assert Settings.load({}).drain == Settings().drain


@pytest.mark.parametrize(
    ("spelling", "meant"),
    [
        *((one, True) for one in ("1", "true", "TRUE", "yes", "on", " On ", "y", "t")),
        *((one, False) for one in ("0", "false", "False", "no", "off", "OFF", "n", "f")),
    ],
)
def test_yes_and_no_have_their_common_spellings(pyproject: Path, spelling: str, meant: bool) -> None:
    names = ("WATCH", "SHARED_FOLDER", "CHILD_LIFESPAN")
    loaded = Settings.load({f"OUTLAST_{name}": spelling for name in names})
    assert (loaded.watch, loaded.shared_folder, loaded.child_lifespan) == (meant, meant, str(meant).lower())


def test_yes_and_no_may_be_arguments_and_stand_in_pyproject(pyproject: Path) -> None:
    pyproject.write_text("[tool.outlast]\nwatch = 0\nshared_folder = true\nchild_lifespan = 'main:context'\n")
    loaded = Settings.load({}, shared_folder=False)
    assert (loaded.watch, loaded.shared_folder, loaded.child_lifespan) == (False, False, "main:context")
    with pytest.raises(SettingsError, match="'watch' is 'perhaps', but it has to be true or false"):
        Settings.load({"OUTLAST_WATCH": "perhaps"})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[tool.outlast]\nurl = sqlite:///x\n", "line 2"),
        (b"[project\n", "line 1"),
        (b"[tool.outlast]\nurl = '\xff'\n", "utf-8"),
        (b"[tool]\noutlast = 'sqlite:///x'\n", "'outlast'"),
        (b"tool = 1\n", "'tool'"),
        (b"[tool.outlast]\nurll = 'x'\n", "did you mean 'url'"),
    ],
)
def test_a_pyproject_that_is_wrong_is_refused(pyproject: Path, content: bytes, said: str) -> None:
    pyproject.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        Settings.load({})
    assert said in str(refused.value)
    assert str(pyproject) in str(refused.value) or "urll" in str(refused.value)


def test_a_pyproject_that_cannot_be_opened_is_refused(pyproject: Path) -> None:
    pyproject.mkdir()
    with pytest.raises(SettingsError, match="cannot be read, so it is not known which settings"):
        Settings.load({})


def test_commands_say_what_is_wrong_with_pyproject(pyproject: Path) -> None:
    pyproject.write_text("[tool.outlast]\nurl = sqlite:///x\n")
    for command in (["status"], ["list"], ["worker", "main:app"], ["cancel", "1"]):
        done = subprocess.run([OUTLAST, *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "line 2" in done.stderr
        assert "Traceback" not in done.stderr
