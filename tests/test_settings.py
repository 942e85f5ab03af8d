"""Where settings come from, and that none is passed over without a word."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

import outlast
from outlast.errors import SettingsError
from outlast.functions.functions import Functions
from outlast.journal.location import place_of
from outlast.settings.settings import Settings
from outlast.settings.unread import names_given_to_one_app
from outlast.tasks.limits import Limit, QueueSettings
from outlast.tasks.options import with_options

OUTLAST = str(Path(sys.executable).with_name("outlast"))


@outlast.task(retries=0, timeout=5)
def own() -> None: ...


def plain() -> None: ...


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


def test_names_are_a_list_or_a_text_with_commas(pyproject: Path) -> None:
    assert Settings.load({"OUTLAST_REDACT": " pin, iban,"}).redact == ("pin", "iban")
    assert Settings.load({}, redact=["pin"]).redact == ("pin",)
    pyproject.write_text("[tool.outlast]\nredact = ['iban']\n")
    assert Settings.load({}).redact == ("iban",)
    with pytest.raises(SettingsError, match="'redact' is 1, but it has to be names, as a list or with commas"):
        Settings.load({}, redact=1)


def test_queues_are_tables_or_json(pyproject: Path) -> None:
    pyproject.write_text("[tool.outlast.queues.mail]\nconcurrency = 4\nrate = '10/s'\n")
    assert Settings.load({}).queue("mail") == QueueSettings(Limit(4, 0.1))
    assert Settings.load({}).queue("other") == QueueSettings()
    variable = {"OUTLAST_QUEUES": '{"mail": {"max_waiting": 5}}'}
    assert Settings.load(variable).queue("mail") == QueueSettings(max_waiting=5)
    assert Settings.load(variable, queues={"a": {"concurrency": 1}}).queue("a") == QueueSettings(Limit(1))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mail", "'queues' is 'mail', but it has to be a table of queues, or JSON"),
        ("[]", "'queues' is '\\[\\]'"),
        ({"mail": 4}, "'queues' is"),
        ({"mail": {"rate": 5}}, "setting 'queues': 'rate' of queue 'mail' is 5"),
        ({"a b": {}}, "setting 'queues': the name of a queue is 'a b'"),
    ],
)
def test_queues_that_are_none_are_refused(pyproject: Path, given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.load({}, queues=given)


def test_options_are_a_table_or_json_and_the_nearer_wins(pyproject: Path) -> None:
    pyproject.write_text("[tool.outlast.options]\nretries = 3\ntimeout = 60\nmemory = '1M'\n")
    found = Settings.load({}).default_options()
    assert (found.policy.retries, found.timeout, found.memory, found.most_together) == (3, 60.0, 1 << 20, 1)
    assert Settings.load({"OUTLAST_OPTIONS": '{"priority": 5}'}).default_options().priority == 5

    asked = Functions(defaults=found).describe(own).options
    assert (asked.policy.retries, asked.timeout, asked.memory) == (0, 5.0, 1 << 20)
    assert with_options(asked, {"retries": 7}).policy.retries == 7
    assert Functions(defaults=found).describe(plain).options == found


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("often", "'options' is 'often', but it has to be a table of options, or JSON"),
        ({"retires": 3}, "setting 'options': 'retires' is no option of a task: did you mean 'retries'"),
        ({"retries": -1}, "setting 'options': option 'retries' is -1"),
        ({"key": "one"}, "setting 'options': option 'key' is that of one function or one call"),
    ],
)
def test_options_that_are_none_are_refused(pyproject: Path, given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.load({}, options=given)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("stall_after", 0, "at least 0.01 seconds"),
        ("stall_limit", 0, "at least 0.01 seconds"),
        ("store_deadline", 0, "at least 0.01 seconds"),
        ("keep_done_count", 10**30, "from 0 to 1000000000000"),
        ("keep_done_count", -1, "from 0 to 1000000000000"),
        ("max_children", 10**30, "from 1 to 1000000"),
        ("max_children", 0, "from 1 to 1000000"),
        ("max_children", 1.7, "a whole number"),
        ("max_children", float("inf"), "a whole number"),
        ("spares", 10**30, "from 0 to 1000000"),
        ("drain", "inf", "at most 100 years"),
        ("keep_done", "nan", "0 or more seconds"),
        ("drain", float("nan"), "0 or more seconds"),
        ("linger", 10**400, "a number"),
        ("grace", -1, "0 or more seconds"),
        ("max_rss", "9" * 400, "a size"),
        ("max_result", 2 << 20, "from 0 to 1 MiB"),
    ],
)
def test_numbers_that_nobody_can_mean_are_refused(pyproject: Path, name: str, given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=f"setting '{name}' is .*, but it has to be .*{said}"):
        Settings.load({}, **{name: given})


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("drain", True, "'drain' is True, but it has to be a number"),
        ("loop_slots", False, "'loop_slots' is False, but it has to be a whole number"),
        ("max_rss", True, "'max_rss' is True, but it has to be a size"),
        ("release", True, "'release' is True, but it has to be text"),
        ("app", FastAPI(), "the app itself comes first: outlast.install\\(app\\)"),
        ("child_lifespan", plain, "it has to be true, false, or text such as 'main:lifespan_of_tasks'"),
        ("state_folder", None.__class__, "'state_folder' is <class 'NoneType'>, but it has to be text"),
    ],
)
def test_a_value_of_another_kind_is_refused(pyproject: Path, name: str, given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.load({}, **{name: given})


def test_a_text_may_be_a_path_or_a_number(pyproject: Path) -> None:
    loaded = Settings.load({}, state_folder=Path("/run/shop"), release=20261127)
    assert (loaded.state_folder, loaded.release) == ("/run/shop", "20261127")


def test_names_that_the_command_line_does_not_know_are_told_of(pyproject: Path) -> None:
    asked = Settings.load({}, redact=["pin", "iban"])
    assert "redact=['pin', 'iban'] is given to install(app) alone" in names_given_to_one_app(asked)[0]
    pyproject.write_text("[tool.outlast]\nredact = ['iban', 'pin']\n")
    assert names_given_to_one_app(asked) == []


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


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///:memory:", "what is in memory outlasts nothing"),
        ("sqlite:///~/shop/journal.db", "`~` is a home to shells alone"),
        ("sqlite:///journal.db?mode=rwc", "it takes no options behind a `?`"),
    ],
)
def test_an_url_that_others_take_for_no_file_is_refused(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f"setting 'url' is {url!r}, but {why}")):
        place_of(Settings(url=url))


@pytest.mark.parametrize("path", ["journal.db", "./a b/ä.db", "sub/../journal.db", "/data/what?/~/journal.db"])
def test_an_url_may_name_any_file(path: str) -> None:
    assert place_of(Settings(url=f"sqlite:///{path}")).journal == Path(path).absolute()


def test_an_url_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(SettingsError, match="has to look like sqlite") as refused:
        place_of(Settings(url="postgresql://shop:hid/den@db/shop?user=me&password=hidden"))
    assert "'postgresql:…db/shop…'" in str(refused.value)
