"""Every interleaving of callers that present one request to one receiver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import BindingError, Call, PublicKey, ReplayedError, StoreError
from signedmsg._core.call_policy import call_policy
from signedmsg._core.events import CallAccepted, CallRefused, Event
from signedmsg._core.policy import ReceivePolicy, Trust
from signedmsg._flows.call import finish_call, open_call
from tests.conformance.requests import ORIGIN, Arrival, posted
from tests.conformance.table import keys_of
from tests.conformance.tokens import ISSUER, NOW, key

from .explore import Cancelled, World, explore, step

if TYPE_CHECKING:
    from signedmsg._flows.receive import ReceivePorts

POLICY = call_policy(ReceivePolicy(ORIGIN), None, "Bearer", 1024)
KEYS = keys_of(key("ES256").jwk())
TRUST = Trust(ISSUER, ("*",))


class Ports:
    """Ports that suspend before and after everything they do."""

    def __init__(self, *, fails: bool = False) -> None:
        self.seen: set[bytes] = set()
        self.fails = fails
        self.events: Counter[type[Event]] = Counter()

    def now(self) -> float:
        return NOW

    def trusted(self, issuer: str) -> Trust:
        return TRUST

    async def find(self, issuer: str, kid: str) -> PublicKey:
        await step()
        found = KEYS.get(kid)
        assert found is not None
        await step()
        return found

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


async def verify(ports: ReceivePorts, one: Arrival) -> Call[Any]:
    """Open the request, wait for its body, finish it."""
    head = await open_call(ports, POLICY, one.method, one.target, one.all_headers)
    await step()
    return await finish_call(ports, POLICY, head, one.body, None)


@pytest.mark.parametrize(("callers", "preemptions"), [(2, None), (3, 2)])
def test_one_request_presented_at_once_has_exactly_one_winner(callers: int, preemptions: int | None) -> None:
    one = posted()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            outcome = Counter(type(result) for result in results)
            assert outcome == {Call: 1, ReplayedError: callers - 1}
            assert ports.events == {CallAccepted: 1, CallRefused: callers - 1}

        return World([verify(ports, one) for _ in range(callers)], check)

    assert explore(make, preemptions=preemptions) > callers


@pytest.mark.parametrize("changed", [{"body": b"{}"}, {"method": "PUT"}, {"target": "/v1/x"}], ids=repr)
def test_tampered_copy_beside_the_genuine_request_never_uses_up_its_id(changed: dict[str, Any]) -> None:
    one = posted()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            assert isinstance(results[0], BindingError)
            assert isinstance(results[1], Call)
            assert len(ports.seen) == 1

        return World([verify(ports, one.but(**changed)), verify(ports, one)], check)

    assert explore(make) > 2


def test_cancelled_caller_admits_nothing_and_the_other_is_decided_by_the_cache_alone() -> None:
    one = posted()
    ends = set()

    def make() -> World:
        ports = Ports()

        def check(results: list[object]) -> None:
            kinds = tuple(type(result) for result in results)
            assert kinds.count(Call) <= 1
            ends.add(kinds)

        return World([verify(ports, one), verify(ports, one)], check, cancel=0)

    explore(make)
    assert (Cancelled, Call) in ends
    assert (Cancelled, ReplayedError) in ends


def test_store_that_is_down_admits_nobody() -> None:
    one = posted()

    def make() -> World:
        ports = Ports(fails=True)

        def check(results: list[object]) -> None:
            assert [type(result) for result in results] == [StoreError, StoreError]
            assert ports.seen == set()

        return World([verify(ports, one), verify(ports, one)], check)

    assert explore(make) > 2
