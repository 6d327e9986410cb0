"""What an inbox keeps of a message: how long, what counts as the same content, and the stored form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import ClaimError, JWKSet, KeyDirectory, MemoryReplayCache, Message, Receiver, Sender, SigningKey
from signedmsg._core.arrival import check_wanted, content_digest, restore_message, store_message
from signedmsg._core.verify import authenticate, parse
from signedmsg.keys.issuer import Issuer

if TYPE_CHECKING:
    from signedmsg._core.message import Content

NOW = 1_800_000_000.5
KEY = SigningKey.generate()
AUDIENCE = "https://shop.example/inbox"
SENDER = Sender("https://billing.example", KEY, clock=lambda: NOW)
DAY = 86_400.0


@dataclass
class Read:
    """A message as verified, and its content."""

    message: Message[object]
    content: Content


def read(data: object = None, **options: Any) -> Read:
    token = SENDER.sign({"n": 1} if data is None else data, type="invoice.paid", audience=AUDIENCE, **options)
    directory = KeyDirectory(Issuer("https://billing.example", allow=["*"], keys=JWKSet(KEY.public)))
    receiver = Receiver(
        AUDIENCE, directory, MemoryReplayCache(clock=lambda: NOW, dangerously_accept_earlier=True), clock=lambda: NOW
    )
    trust = directory.trusted("https://billing.example")
    content = authenticate(parse(token, receiver.policy), KEY.public, receiver.policy, trust, NOW).content
    return Read(receiver.verify(token), content)


def test_stored_message_comes_back_equal_in_every_member() -> None:
    sent = read(
        {"deep": [{"n": 1.5}], "text": "€"},
        subject="i",
        account="acme",
        id="m-1",
        claims={"https://billing.example/trace": "abc"},
    )
    stored = restore_message(store_message(sent.message, sent.content))
    message = stored.message(stored.content.data)
    for name in Message.__slots__:
        assert getattr(message, name) == getattr(sent.message, name), name


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"v":2}', b'{"v":1,"iss":"x"}', b"\xff"])
def test_stored_bytes_of_something_else_are_no_message(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        restore_message(body)


def test_data_as_deep_as_a_token_may_hold_is_stored_and_read() -> None:
    data: Any = 1
    for _ in range(29):
        data = [data]
    sent = read(data)
    assert restore_message(store_message(sent.message, sent.content)).content.data == data


def digest_of(one: Read) -> bytes:
    return content_digest(one.content.source, one.message.claims)


def test_attempts_of_one_message_have_one_digest() -> None:
    first, second = (read(id="m-1", time=NOW) for _ in range(2))
    assert first.message.jti != second.message.jti
    assert digest_of(first) == digest_of(second)


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"n": 2}},
        {"subject": "s"},
        {"account": "a"},
        {"time": NOW - 1},
        {"until": int(NOW) + 60},
        {"claims": {"https://billing.example/x": 1}},
    ],
)
def test_any_other_content_has_another_digest(change: dict[str, Any]) -> None:
    data = change.pop("data", {"n": 1})
    options = {"time": NOW} | change
    assert digest_of(read(data, id="m-1", **options)) != digest_of(read(id="m-1", time=NOW))


@pytest.mark.parametrize(
    ("time", "until", "retention", "code"),
    [
        (NOW, None, 7 * DAY, None),
        (NOW + 29, None, 7 * DAY, None),
        (NOW + 31, None, 7 * DAY, "claim"),
        (NOW - 8 * DAY, int(NOW + DAY), 7 * DAY, "too_late"),
        (NOW - 6 * DAY, int(NOW + DAY), 7 * DAY, None),
        (NOW - 2 * DAY, int(NOW + DAY), DAY, "too_late"),
        (NOW - DAY, int(NOW) - 31, 7 * DAY, "too_late"),
        (NOW - DAY, int(NOW) - 29, 7 * DAY, None),
    ],
)
def test_message_is_wanted_within_its_deadline_and_the_retention(
    time: float, until: int | None, retention: float, code: str | None
) -> None:
    content = read(time=NOW).content._replace(time=read(time=time, until=int(NOW + 30 * DAY)).content.time, until=until)
    if code is None:
        check_wanted(content, retention, 30.0, NOW)
        return
    with pytest.raises(ClaimError) as refused:
        check_wanted(content, retention, 30.0, NOW)
    assert refused.value.code == code
