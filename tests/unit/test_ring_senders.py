"""Senders that sign with a key ring: one key an attempt, whatever the ring does meanwhile."""

from __future__ import annotations

import base64
import json
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from signedmsg import AsyncSender, KeyRing, MemoryReplayCache, Receiver, Sender, SigningError
from signedmsg._core.compose import freeze
from signedmsg._core.policy import SendPolicy
from signedmsg._flows.run import run
from signedmsg._flows.send import sign as sign_flow
from signedmsg.keys.directory import KeyDirectory
from signedmsg.keys.issuer import Issuer
from tests.unit.keys.rings import ISSUER, Rings

if TYPE_CHECKING:
    from pathlib import Path

    from signedmsg import AsyncSigner, Signer

AUDIENCE = "https://shop.example/inbox"


@pytest.fixture
def rings(tmp_path: Path) -> Rings:
    return Rings(tmp_path / "ring")


def kid_of(token: str) -> str:
    return str(json.loads(base64.urlsafe_b64decode(token.split(".", maxsplit=1)[0] + "=="))["kid"])


def sender(ring: KeyRing, **options: Any) -> Sender:
    return Sender(ISSUER, ring, **{"clock": ring._clock, **options})


def sign(one: Sender) -> str:
    return one.sign(42, type="invoice.paid", audience=AUDIENCE)


def rotate(ring: KeyRing, alg: str = "ES256") -> str:
    kid = ring.add(alg).kid
    ring.activate(kid, dangerously_skip_wait=True)
    return kid


def receiver(ring: KeyRing, tmp_path: Path) -> Receiver:
    ring.export(tmp_path / "keys.json")
    directory = KeyDirectory(Issuer(ISSUER, allow=["*"], keys=tmp_path / "keys.json"))
    clock = ring._clock
    return Receiver(AUDIENCE, directory, MemoryReplayCache(clock=lambda: 0.0), clock=clock)


def test_token_is_signed_with_the_active_key_and_verified_by_the_exported_document(
    rings: Rings, tmp_path: Path
) -> None:
    ring = rings.active()
    assert receiver(ring, tmp_path).verify(sign(sender(ring))).data == 42


def test_running_sender_takes_the_new_key_without_a_restart(rings: Rings) -> None:
    ring = rings.active()
    one = sender(rings.open())
    first = kid_of(sign(one))
    new = rotate(ring, "Ed25519")
    rings.clock.advance(1)
    assert (kid_of(sign(one)), first != new) == (new, True)


def test_async_sender_takes_the_new_key_too(rings: Rings) -> None:
    ring = rings.active()

    async def work() -> list[str]:
        async with AsyncSender(ISSUER, rings.open(), clock=rings.clock) as one:
            tokens = [await one.sign(1, type="a", audience=AUDIENCE)]
            rotate(ring)
            rings.clock.advance(1)
            return [*tokens, await one.sign(1, type="a", audience=AUDIENCE)]

    kids = list(map(kid_of, anyio.run(work)))
    assert kids == [key.kid for key in ring.keys]


class RotatingPorts:
    """Signs by a flow's order, while the ring rotates between header and signature."""

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self.now = ring._clock

    def signer(self) -> Signer:
        return self.ring.current()

    def new_jti(self) -> str:
        rotate(self.ring, "Ed25519")
        return "A" * 22

    async def sign(self, signer: Signer | AsyncSigner, signing_input: bytes) -> bytes:
        signature = signer.sign(signing_input)
        assert isinstance(signature, bytes)
        return signature


def test_rotation_between_header_and_signature_leaves_one_key_for_the_attempt(rings: Rings) -> None:
    ring = rings.active()
    old = ring.keys[0].public
    frozen = freeze(
        SendPolicy(ISSUER), 1, type="a", audience=AUDIENCE, id="m1", time=rings.clock(), subject=None, account=None
    )
    token = run(sign_flow(RotatingPorts(ring), SendPolicy(ISSUER), frozen))
    signing_input, _, signature = token.rpartition(".")
    old.verify(base64.urlsafe_b64decode(signature + "=="), signing_input.encode())
    assert (kid_of(token), ring.current().kid != old.kid) == (old.kid, True)


def test_tokens_signed_by_many_threads_during_rotations_all_verify(rings: Rings, tmp_path: Path) -> None:
    ring = rings.active()
    one, tokens = sender(ring), list[str]()
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            tokens.append(sign(one))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for alg in ("Ed25519", "ES256") * 2:
        rotate(ring, alg)
    done.set()
    for thread in threads:
        thread.join(30)
    verify = receiver(ring, tmp_path).verify
    assert [verify(token).data for token in tokens] == [42] * len(tokens)
    assert len({kid_of(token) for token in tokens}) > 1


def test_sender_of_a_ring_without_an_active_key_can_be_built_and_says_what_is_missing(rings: Rings) -> None:
    ring = rings.create()
    one = sender(ring)
    with pytest.raises(SigningError, match="no key of the ring is active") as caught:
        sign(one)
    assert caught.value.hint == "add a key, and activate it once receivers know it"
    assert "KeyRing" in repr(one)


def test_revoked_key_signs_no_more_though_no_other_is_there(rings: Rings) -> None:
    ring = rings.active()
    one = sender(rings.open())
    sign(one)
    ring.revoke(ring.current().kid, "compromised")
    rings.clock.advance(1)
    with pytest.raises(SigningError, match="no key of the ring is active"):
        sign(one)


def test_ring_of_another_issuer_is_refused_when_the_sender_is_built(rings: Rings) -> None:
    with pytest.raises(ValueError, match="key: the ring is that of"):
        Sender("https://other.example", rings.active())


def test_lifetime_beyond_what_the_ring_waits_for_is_refused(rings: Rings) -> None:
    ring = rings.active(max_lifetime=60)
    assert sender(ring, lifetime=60).policy.lifetime == 60
    with pytest.raises(ValueError, match="lifetime: the ring waits"):
        sender(ring, lifetime=61)


def test_key_that_ends_before_its_token_is_not_used(rings: Rings) -> None:
    ring = rings.create()
    kid = ring.add(expires=int(rings.clock()) + 1000).kid
    ring.activate(kid, dangerously_skip_wait=True)
    one = sender(ring)
    sign(one)
    rings.clock.advance(950)
    with pytest.raises(SigningError, match="ends before the token would"):
        sign(one)


def test_ring_is_a_signer_by_itself(rings: Rings) -> None:
    ring = rings.active()
    ring.keys[0].public.verify(ring.sign(b"x"), b"x")
    assert (ring.alg, ring.kid, ring.waits) == ("ES256", ring.keys[0].kid, "never")
