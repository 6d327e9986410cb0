"""A signed request goes through each framework's own test client, and is verified there by the real door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from signedmsg.testing import Bad

from .apps import APPS, INBOX, SHOP, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signedmsg.testing import ManualClock, Peer


class Stage:
    """A shop behind one framework's test client."""

    def __init__(self, name: str, shop: Shop, send: Any, events: list[Any]) -> None:
        self.name, self.shop, self.send, self.events = name, shop, send, events

    @property
    def codes(self) -> list[str]:
        return [event.error.code for event in self.events if hasattr(event, "error")]


@pytest.fixture(params=APPS)
def stage(request: pytest.FixtureRequest, signedmsg_peer: Peer, signedmsg_events: Any) -> Iterator[Stage]:
    build, suspends = APPS[request.param]
    shop = Shop(signedmsg_peer, suspends=suspends, observe=signedmsg_events)
    with build(shop) as send:
        yield Stage(request.param, shop, send, signedmsg_events)


def test_call_with_json_reaches_its_view(stage: Stage, signedmsg_peer: Peer) -> None:
    answer = stage.send(signedmsg_peer.call("POST", f"{SHOP}/v1/orders", json={"number": 42}))
    assert (answer.status, answer.text) == (200, "https://peer.example POST /v1/orders {'number': 42}")


@pytest.mark.parametrize("target", ["/v1/a%20b,c", "/v1/x?b=2&a=%2F+%20&a=", "/v1/x/"])
def test_unusual_target_arrives_as_it_was_signed(stage: Stage, signedmsg_peer: Peer, target: str) -> None:
    answer = stage.send(signedmsg_peer.call("GET", SHOP + target))
    assert (answer.status, stage.shop.seen[-1].target) == (200, target), stage.codes


def test_path_beyond_ascii_arrives_but_for_the_async_client_of_django(stage: Stage, signedmsg_peer: Peer) -> None:
    # That client hands the path over as Latin-1, where ASGI says UTF-8; no server does.
    expected = [401, "binding"] if stage.name == "async-django" else [200]
    answer = stage.send(signedmsg_peer.call("GET", f"{SHOP}/v1/caf%C3%A9"))
    assert [answer.status, *stage.codes] == expected


def test_call_with_a_form_and_a_field_that_must_be_signed_arrives(stage: Stage, signedmsg_peer: Peer) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": "k"}
    answer = stage.send(signedmsg_peer.call("POST", f"{SHOP}/v1/orders", content=b"number=42", headers=headers))
    assert answer.status == 200, stage.codes
    assert stage.shop.seen[-1].body == b"number=42"


@pytest.mark.parametrize("bad", Bad)
def test_bad_call_is_refused(stage: Stage, signedmsg_peer: Peer, bad: Bad) -> None:
    request = signedmsg_peer.call("POST", f"{SHOP}/v1/orders", json={"number": 42}, bad=bad)
    answers = [stage.send(request) for _ in range(bad.times)]
    assert (answers[-1].status, stage.codes) == (bad.status, [bad.code])
    assert len(stage.shop.seen) == bad.times - 1


@pytest.mark.parametrize("changes", [{"body": b'{"number":43}'}, {"method": "GET"}, {"url": f"{SHOP}/v1/orders?x=1"}])
def test_call_that_was_changed_on_its_way_is_refused(stage: Stage, signedmsg_peer: Peer, changes: Any) -> None:
    request = signedmsg_peer.call("POST", f"{SHOP}/v1/orders", json={"number": 42}).but(**changes)
    assert (stage.send(request).status, stage.codes) == (401, ["binding"])


def test_message_reaches_its_handler(stage: Stage, signedmsg_peer: Peer) -> None:
    answer = stage.send(signedmsg_peer.message(INBOX, {"number": 42}, type="order.placed", id="m-1"))
    assert answer.status == 204, stage.codes
    assert [(one.id, one.data.number) for one in stage.shop.seen] == [("m-1", 42)]


@pytest.mark.parametrize("bad", Bad)
def test_bad_message_is_refused(stage: Stage, signedmsg_peer: Peer, bad: Bad) -> None:
    request = signedmsg_peer.message(INBOX, {"number": 42}, type="order.placed", bad=bad)
    answers = [stage.send(request) for _ in range(bad.times)]
    assert (answers[-1].status, stage.codes) == (bad.status, [bad.code])


def test_time_passes_for_the_service_too(stage: Stage, signedmsg_peer: Peer, signedmsg_clock: ManualClock) -> None:
    request = signedmsg_peer.call("POST", f"{SHOP}/v1/orders", json={"number": 42})
    signedmsg_clock.advance(91)
    assert (stage.send(request).status, stage.codes) == (401, ["expired"])


def test_answer_is_the_same_whether_or_not_somebody_asks_for_explanations(signedmsg_peer: Peer) -> None:
    request = signedmsg_peer.call("POST", f"{SHOP}/v1/orders", json={"number": 42}).but(body=b'{"number": 42}')
    said: list[str] = []
    for build, suspends in APPS.values():
        texts = set()
        for observe in (lambda _: None, lambda event: said.append(event.error.explanation)):
            with build(Shop(signedmsg_peer, suspends=suspends, observe=observe)) as send:
                texts.add(send(request))
        assert len(texts) == 1
        assert "anew" not in texts.pop().text
    assert len(said) == len(APPS)
    assert all("the same JSON, written anew" in one for one in said)
