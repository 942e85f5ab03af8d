"""Where in the user's code something happened, as people look for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlast.system.process import this
from outlast.watch.site import shown_file


def test_a_file_is_shown_from_the_working_folder_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_file(str(tmp_path / "app" / "main.py")) == "app/main.py"
    assert shown_file("/elsewhere/app/main.py") == "app/main.py"


def test_a_process_without_an_app_whose_folder_is_gone_shows_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner, as a deploy leaves it that removes the folder."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr(this, "real_folders", {})
    gone.rmdir()
    assert shown_file(f"{gone}/app/main.py") == "app/main.py"
