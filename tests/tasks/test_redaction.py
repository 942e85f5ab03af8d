"""What people are not shown of arguments and context, and that tasks have it all the same."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, PlainSerializer, SecretBytes, SecretStr, field_serializer

from outlast.cli.main import cli
from outlast.errors import NotStorable
from outlast.functions.context.carrier import ValueCodec
from outlast.functions.encoding import Codec
from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_journal
from outlast.tasks.ids import TaskIds
from outlast.tasks.redaction import NOT_WHOLE, REDACTED, Redactor
from outlast.tasks.task import Lane, NewTask, State

HIDDEN = "hunter2"


class Revealing(BaseModel):
    """A login whose secret is written into JSON, as its author wants it."""

    user: str
    phrase: SecretStr

    @field_serializer("phrase", when_used="json")
    def _revealed(self, phrase: SecretStr) -> str:
        return phrase.get_secret_value()


class Masking(BaseModel):
    phrase: SecretStr


Revealed = Annotated[SecretStr, PlainSerializer(lambda phrase: phrase.get_secret_value())]


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "new_password", "password2", "userPassword", "user[password]", "passwd", "db_pwd"),
        *("secret", "client_secret", "clientSecret", "SECRET_KEY", "api_key", "apikey", "apiKey", "X-Api-Key"),
        *("APIKey", "private_key", "OAuthToken"),
        *("token", "access_token", "accessToken", "refreshtoken", "csrf_token", "Authorization", "proxy-authorization"),
        *("Cookie", "set-cookie", "session", "session_id", "sessionid", "credentials", "private_key", "auth"),
    ],
)
def test_the_usual_names_are_secret_in_each_spelling(name: str) -> None:
    assert Redactor().is_secret(name)
    assert Redactor().redacted(json.dumps({name: HIDDEN})) == json.dumps({name: REDACTED}, separators=(",", ":"))


@pytest.mark.parametrize(
    "name",
    [
        "author",
        "authored_by",
        "secretary",
        "tokenize",
        "tokenizer",
        "sessions",
        "obsession",
        "key",
        "api",
        "n",
        "",
        "日",
    ],
)
def test_a_name_is_secret_by_whole_words_only(name: str) -> None:
    assert not Redactor().is_secret(name)


def test_more_names_are_added_in_any_spelling() -> None:
    redactor = Redactor(["tax-id", "PIN", ""])
    assert all(map(redactor.is_secret, ("tax_id", "taxId", "customerTaxId", "pin", "card_pin", "password")))
    assert not any(map(redactor.is_secret, ("tax", "shipping", "id")))


def test_what_is_deep_inside_is_found_and_the_rest_stays_as_it_is() -> None:
    given = {"order": {"items": [{"n": 1, "token": [HIDDEN]}], "card": {"cvv": 123}}, "password": None, "é": 1e300}
    kept = {"order": {"items": [{"n": 1, "token": REDACTED}], "card": {"cvv": REDACTED}}, "password": None, "é": 1e300}
    assert json.loads(Redactor().redacted(json.dumps(given))) == kept


def test_headers_as_pairs_are_known() -> None:
    text = json.dumps({"headers": [["Authorization", HIDDEN], ["Accept", "*/*"]]})
    assert json.loads(Redactor().redacted(text))["headers"] == [["Authorization", REDACTED], ["Accept", "*/*"]]


@pytest.mark.parametrize("text", ["", "{}", '{"n": 1.0,  "x":[1e400,9007199254740993]}', '{"password":null}'])
def test_text_without_secrets_is_not_touched(text: str) -> None:
    assert Redactor().redacted(text) == text


@pytest.mark.parametrize(
    "text", [f'{{"password":"{HIDDEN}', f'{{"phrase":"{HIDDEN}", "@mar', f"{'[' * 100_000}{HIDDEN}", f'"{HIDDEN}']
)
def test_what_cannot_be_read_whole_is_not_shown(text: str) -> None:
    assert Redactor().redacted(text) == NOT_WHOLE


def test_the_module_of_a_context_variable_hides_nothing() -> None:
    text = json.dumps({"app.auth:user": {"value": "ann"}, "app.users:session_token": {"value": HIDDEN}})
    kept = {"app.auth:user": {"value": "ann"}, "app.users:session_token": REDACTED}
    assert json.loads(Redactor().redacted(text, by_path=True)) == kept


def test_a_secret_by_its_type_travels_where_its_author_lets_it_and_is_not_shown() -> None:
    def sign_in(login: Revealing, place: str) -> None: ...

    codec = Codec(sign_in)
    text = codec.encode((Revealing(user="ann", phrase=SecretStr(HIDDEN)), "x"), {})
    args, _ = codec.decode(text)
    assert args[0].phrase.get_secret_value() == HIDDEN
    assert HIDDEN in text
    assert json.loads(Redactor().redacted(text)) == json.loads(text) | {"login": REDACTED}


def test_so_does_one_in_a_list_and_in_a_context_variable() -> None:
    def sign_in(*phrases: Revealed) -> None: ...

    given = (SecretStr(HIDDEN), SecretStr(""))
    text = Codec(sign_in).encode(given, {})
    assert Codec(sign_in).decode(text)[0] == given
    assert HIDDEN not in Redactor().redacted(text)
    codec = ValueCodec(Revealing)
    stored = codec.encode(Revealing(user="ann", phrase=SecretStr(HIDDEN)))
    assert codec.decode(json.loads(stored)).phrase.get_secret_value() == HIDDEN
    assert HIDDEN not in Redactor().redacted(f'{{"main:login":{stored}}}', by_path=True)


@pytest.mark.parametrize("value", [SecretStr(HIDDEN), SecretBytes(b"x"), Masking(phrase=SecretStr(HIDDEN))])
def test_a_secret_that_json_masks_is_refused_with_a_sentence_that_does_not_show_it(value: object) -> None:
    def sign_in(login: SecretStr | SecretBytes | Masking) -> None: ...

    with pytest.raises(NotStorable, match=r"`login` (is|holds) a secret.*pass what tells the function") as refused:
        Codec(sign_in).encode((value,), {})
    assert HIDDEN not in str(refused.value)


@pytest.fixture
def task_id(tmp_path: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of a task with secrets in all that is stored of it, in the journal of the current folder."""
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.delenv("OUTLAST_URL", raising=False)
    arguments = json.dumps({"password": HIDDEN, "user": {"name": "ann", "apiKey": HIDDEN}, "pin": 4242})
    context = json.dumps({"main:session_token": {"value": HIDDEN}, "main:tenant": {"value": "acme"}})
    task = NewTask(TaskIds().next(), "app:f", arguments, Lane.LOOP, State.WAITING, 1.0, "GET /x", context=context)
    journal = open_journal("sqlite:///.outlast/journal.db")
    with journal.transaction():
        journal.tasks.add([task], journal.processes.enter(ProcessEntry("web", 4711, "here", 1.0)))
    journal.close()
    return shown(task.id)


@pytest.mark.parametrize("command", [["show"], ["show", "--json"], ["list"], ["list", "--json"]], ids=" ".join)
def test_no_command_shows_a_secret(task_id: str, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [*command, task_id] if command[0] == "show" else command
    printed = CliRunner().invoke(cli, arguments).stdout
    assert task_id in printed
    assert HIDDEN not in printed
    assert (REDACTED in printed, "4242" in printed) == ((False, False) if command == ["list"] else (True, True))
    monkeypatch.setenv("OUTLAST_REDACT", "iban, pin")
    assert "4242" not in CliRunner().invoke(cli, arguments).stdout


@pytest.mark.parametrize(
    ("function", "stored", "seen"),
    [
        ("app:count", '{"result":{"token":"hunter2","lines":3}}', '{"token": "[redacted]", "lines": 3}'),
        ("app:count", '{"result":"hunter2","@marks":{"secret":[["result"]]}}', '"[redacted]"'),
        ("app:Login.new_token", '{"result":"hunter2"}', '"[redacted]"'),
        ("app:count", '{"result":null}', "null"),
        ("app:count", '{"result":"\u00e9"}', '"\u00e9"'),
        ("app:count", '{"result":{"token":"hun', NOT_WHOLE),
        ("app:count", "[5]", NOT_WHOLE),
        ("app:count", "", ""),
    ],
)
def test_a_result_is_shown_without_what_is_secret(function: str, stored: str, seen: str) -> None:
    assert Redactor().result(function, stored) == seen
