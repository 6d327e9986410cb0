"""Every interleaving of callers that present tokens to one receiver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from signedmsg import (
    InvalidSignatureError,
    JSONValue,
    JWKSet,
    Message,
    PublicKey,
    ReplayedError,
    Sender,
    SigningKey,
    StoreError,
)
from signedmsg._core.events import Event, MessageAccepted, MessageRefused
from signedmsg._core.policy import ReceivePolicy, Trust
from signedmsg._flows.receive import receive

from .explore import Cancelled, World, explore, step

if TYPE_CHECKING:
    from signedmsg._core.message import Content
    from signedmsg._core.straight import Straight

NOW = 1_800_000_000.25
KEY = SigningKey.generate()
TRUST = Trust("https://a.example", ("*",))
POLICY = ReceivePolicy("https://b.example/inbox")
SENDER = Sender("https://a.example", KEY, clock=lambda: NOW)


def token() -> str:
    return SENDER.sign({"n": 1}, type="t", audience="https://b.example/inbox")


class Ports:
    """Ports that suspend before and after everything they do."""

    straight: Straight | None = None

    def __init__(self, *, fails: bool = False) -> None:
        self.seen: set[bytes] = set()
        self.fails = fails
        self.keys = JWKSet(KEY.public)
        self.events: Counter[type[Event]] = Counter()

    def now(self) -> float:
        return NOW

    def trusted(self, issuer: str) -> Trust:
        return TRUST

    async def find(self, issuer: str, kid: str) -> PublicKey:
        await step()
        key = self.keys.get(kid)
        assert key is not None
        await step()
        return key

    async def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        await step()
        if self.fails:
            raise StoreError("down")
        first = key not in self.seen
        self.seen.add(key)
        await step()
        return first

    def listens(self) -> bool:
        return True

    def notice(self, event: Event) -> None:
        self.events[type(event)] += 1


def data(content: Content) -> JSONValue:
    return content.data


@pytest.mark.parametrize(("callers", "preemptions"), [(2, None), (3, 2)])
def test_one_token_presented_at_once_has_exactly_one_winner(callers: int, preemptions: int | None) -> None:
    one = token()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            outcome = Counter(type(result) for result in results)
            assert outcome == {Message: 1, ReplayedError: callers - 1}
            assert ports.events == {MessageAccepted: 1, MessageRefused: callers - 1}

        return World([receive(ports, POLICY, one, data) for _ in range(callers)], check)

    assert explore(make, preemptions=preemptions) > callers


def test_tampered_copy_beside_the_genuine_token_never_uses_up_its_id() -> None:
    genuine = token()
    head, payload, signature = genuine.split(".")
    tampered = f"{head}.{payload}.{'A' * 86}"

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            assert isinstance(results[0], InvalidSignatureError)
            assert isinstance(results[1], Message)
            assert len(ports.seen) == 1

        return World([receive(ports, POLICY, tampered, data), receive(ports, POLICY, genuine, data)], check)

    assert explore(make) > 2
    assert signature != "A" * 86


def test_two_tokens_of_one_message_are_both_admitted() -> None:
    first, second = token(), token()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            assert [type(result) for result in results] == [Message, Message]
            assert len(ports.seen) == 2

        return World([receive(ports, POLICY, first, data), receive(ports, POLICY, second, data)], check)

    assert explore(make) > 2


def test_cancelled_caller_admits_nothing_and_the_other_is_decided_by_the_cache_alone() -> None:
    one = token()
    ends = set()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            kinds = tuple(type(result) for result in results)
            # A caller cancelled after its add has used up the token: refused, never accepted twice.
            assert kinds.count(Message) <= 1
            ends.add(kinds)

        return World([receive(ports, POLICY, one, data), receive(ports, POLICY, one, data)], check, cancel=0)

    explore(make)
    assert (Cancelled, Message) in ends
    assert (Cancelled, ReplayedError) in ends


def test_store_that_is_down_admits_nobody() -> None:
    one = token()

    def make() -> World:
        ports = Ports(fails=True)

        def check(results: list[object]) -> None:
            assert [type(result) for result in results] == [StoreError, StoreError]
            assert ports.seen == set()

        return World([receive(ports, POLICY, one, data), receive(ports, POLICY, one, data)], check)

    assert explore(make) > 2
