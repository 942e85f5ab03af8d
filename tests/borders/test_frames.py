"""Messages between processes have a size, on the side that sends them."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.child.outbox import Outbox
from outlast.child.run import Assignment
from outlast.errors import MessageTooBig
from outlast.tasks.outcome import Raised
from outlast.tasks.task import Claimed, Lane
from outlast.wire.channel import Channel
from outlast.wire.frames import LARGEST, PIECE, Message, Unpacker, packed, receive_all
from outlast.wire.handover import attempts_in, packed_attempts
from tests.borders.odd import TEXTS


def read(data: bytes) -> list[Message]:
    return list(Unpacker().feed(data))


@given(st.dictionaries(TEXTS.filter(lambda name: name != "blocks"), TEXTS, max_size=3), st.lists(st.binary()))
def test_what_is_sent_is_read(message: dict[str, str], blocks: list[bytes]) -> None:
    (found,) = read(packed(message, blocks))
    assert found.pop("blocks", []) == blocks
    assert found == message


def test_what_other_versions_read_is_plain_json() -> None:
    data = packed({"type": "wake", "text": "é"})
    assert json.loads(data[4:]) == {"type": "wake", "text": "é"}
    assert int.from_bytes(data[:4], "little") == len(data) - 4


def test_what_is_too_large_is_refused_by_the_sender() -> None:
    with pytest.raises(MessageTooBig, match=r"\(run\) is more than the other side reads"):
        packed({"type": "run"}, [bytes(LARGEST)])


NO_MESSAGES = [b"", b"5", b"{", b"[" * 100_000, b"\xff"]
NO_BLOCKS = [b'{"blocks":[1]}', b'{"blocks":[-1,2]}\nx', b'{"blocks":5}\nx', b'{"blocks":[true]}\nx']


@pytest.mark.parametrize("body", NO_MESSAGES + NO_BLOCKS)
def test_what_is_no_message_is_refused_by_the_reader(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(len(body).to_bytes(4, "little") + body)


def test_large_attempts_are_handed_over_in_several_messages_and_as_they_are() -> None:
    texts = [json.dumps({"text": letter * 1_000_000}, ensure_ascii=False) for letter in 'x"é\\' * 5]
    contexts = ["", '{"main:tenant":{"value":"é"}}'] * 10
    claims = [
        Claimed(number, 1, 0, 0, "app:f", text, Lane.THREAD, context=context or None)
        for number, (text, context) in enumerate(zip(texts, contexts, strict=True))
    ]
    messages = list(packed_attempts(claims))
    assert len(messages) > 2
    assert max(map(len, messages)) < 2 * PIECE
    given = [task for data in messages for message in read(data) for task in attempts_in(message)]
    assert given == [
        [number, 1, "app:f", "thread", None, None, 0, texts[number], contexts[number]] for number in range(20)
    ]


def test_what_few_attempts_have_is_handed_over_where_there_is_some() -> None:
    plain = Claimed(1, 1, 0, 0, "app:f", "{}", Lane.THREAD)
    claims = [plain, plain._replace(checkpoint="5"), plain._replace(queue="mail"), plain._replace(checkpoint=None)]
    (message,) = packed_attempts(claims)
    given = [Assignment.read(task) for one in read(message) for task in attempts_in(one)]
    assert [(one.checkpoint, one.queue) for one in given] == [("", ""), ("5", ""), ("", "mail"), ("", "")]


@pytest.fixture
def line() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_what_is_no_message_ends_a_channel_which_says_why(line: tuple[socket.socket, socket.socket]) -> None:
    with selectors.DefaultSelector() as selector:
        channel = Channel(line[0], selector)
        line[1].sendall(bytes([2, 0, 0, 0]) + b"no")
        for key, _ in selector.select(5):
            key.data.attend()
    assert channel.is_over
    assert list(channel.heard(dict)) == []
    assert channel.fault.startswith("JSONDecodeError: ")


def test_ends_that_are_large_leave_in_several_messages(line: tuple[socket.socket, socket.socket]) -> None:
    outbox = Outbox(line[0], pytest.fail)
    for number in range(400):
        outbox.report(number, Raised("\ud800" * 2_000, "\0" * 16_384))
    outbox.send({"type": "wake"})
    seen: list[int] = []
    for message in receive_all(line[1]):
        seen += [task for task, *_ in message.get("tasks", ())]
        if len(seen) == 400:
            break
    assert seen == list(range(400))
    outbox.close()
