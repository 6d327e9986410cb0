"""A sender and four receivers, each a process of its own, and three rotations: no message is refused.

Over files the receivers' clocks are real; the ring's waits are skipped by moving its own
clock, and what they stand for is waited for in earnest. Over HTTP nothing is skipped at
all: every process lives on one clock that runs eighty times as fast.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import signedmsg
from signedmsg import KeyRing, KeyRingError

from .rotation_peer import ISSUER, Clock

if TYPE_CHECKING:
    from collections.abc import Callable

PEER = str(Path(__file__).parent / "rotation_peer.py")
PACKAGE_PARENT = str(Path(str(signedmsg.__file__)).parent.parent)
RECEIVERS = 4
ALGORITHMS = ("Ed25519", "ES256", "ES384")
# Receivers look at their file, and senders at the ring, at most this long after a change.
LOOK = 1.1
# Enough for a machine that stalls: a token that comes too late is refused as well.
LIFETIME = 5
# Fast enough to wait for minutes; slow enough that a stall of the machine of a second is
# still within the 60 s that clocks may be apart.
SPEED = 40
SHORT = {"soft_lifetime": 60, "max_lifetime": 150}


class MovedClock:
    """The real time, and what the test adds to it."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def start(role: str, argument: object, clock: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, PEER, role, str(argument), clock],
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class Traffic:
    """The sender's tokens, brought to every receiver the moment they are there."""

    def __init__(self, ring: Path, keys: object, clock: str) -> None:
        self.receivers = [start("receive", keys, clock) for _ in range(RECEIVERS)]
        assert [first_line(one) for one in self.receivers] == ["ready"] * RECEIVERS
        self.sender = start("send", ring, clock)
        self.sent = 0
        self._pump = threading.Thread(target=self._bring)
        self._pump.start()

    def _bring(self) -> None:
        for token in self.sender.stdout or ():
            for one in self.receivers:
                assert one.stdin is not None
                one.stdin.write(token)
                one.stdin.flush()
            self.sent += 1

    def stop(self) -> list[dict[str, Any]]:
        """Let the sender end, every token arrive, and each receiver say what it counted."""
        self.sender.communicate("")
        self._pump.join(20)
        return [json.loads(one.communicate("", timeout=20)[0]) for one in self.receivers]


def check(traffic: Traffic, counted: list[dict[str, Any]]) -> None:
    assert [one["refused"] for one in counted] == [{}] * RECEIVERS
    assert [sum(one["accepted"]) for one in counted] == [traffic.sent] * RECEIVERS
    # Of each of the four keys came messages, and not just a few.
    assert {len(one["accepted"]) for one in counted} == {len(ALGORITHMS) + 1}
    assert min(min(one["accepted"]) for one in counted) >= 20
    print(f"\n{traffic.sent} messages, {RECEIVERS} receivers, {len(ALGORITHMS)} rotations, refused: 0")


def rotate(ring: KeyRing, alg: str, publish: Callable[[], object], until: Callable[[str], None]) -> None:
    """One rotation by the book; the ring itself must agree to every step."""
    old = ring.current().kid
    new = ring.add(alg).kid
    publish()
    with pytest.raises(KeyRingError):
        ring.activate(new)
    until("known")
    ring.activate(new)
    publish()
    with pytest.raises(KeyRingError):
        ring.remove(old)
    until("drained")
    ring.remove(old)
    publish()


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_no_message_is_refused_during_three_rotations(tmp_path: Path) -> None:
    clock, keys = MovedClock(), tmp_path / "keys.json"
    ring = KeyRing.create(tmp_path / "ring", ISSUER, max_lifetime=LIFETIME, clock=clock)
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    ring.export(keys)

    def until(what: str) -> None:
        time.sleep(LOOK if what == "known" else LOOK + LIFETIME)
        clock.ahead += ring.publish_wait if what == "known" else ring.drain_wait

    traffic = Traffic(tmp_path / "ring", keys, f"{time.time()},1")
    try:
        for alg in ALGORITHMS:
            rotate(ring, alg, lambda: ring.export(keys), until)
        time.sleep(0.3)
    finally:
        counted = traffic.stop()
    check(traffic, counted)
    assert ring.sequence == 2 + 3 * len(ALGORITHMS)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_no_message_is_refused_during_three_rotations_over_http(tmp_path: Path) -> None:
    written = f"{time.time()},{SPEED}"
    clock = Clock(written)
    ring = KeyRing.create(tmp_path / "ring", ISSUER, **SHORT, clock=clock, monotonic=clock)
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    server = start("serve", ring.path, written)
    url = f"http://127.0.0.1:{first_line(server)}/.well-known/signedmsg/keys.json"

    def until(what: str) -> None:
        clock.sleep((ring.publish_wait if what == "known" else ring.drain_wait) + 2)

    traffic = Traffic(ring.path, url, written)
    try:
        clock.sleep(60)
        for alg in ALGORITHMS:
            rotate(ring, alg, lambda: None, until)
        clock.sleep(60)
    finally:
        counted = traffic.stop()
        requests = json.loads(server.communicate("", timeout=20)[0])
    check(traffic, counted)
    # Some twenty minutes by that clock: each receiver reads once a minute, and not for each message.
    assert RECEIVERS <= sum(requests.values()) <= RECEIVERS * 40
    print(f"requests: {requests}")


@pytest.mark.slow
def test_rotation_without_the_waits_refuses_messages(tmp_path: Path) -> None:
    """The tests above can fail: skip what they wait for, and messages are refused."""
    keys = tmp_path / "keys.json"
    ring = KeyRing.create(tmp_path / "ring", ISSUER, max_lifetime=LIFETIME)
    ring.activate(ring.add().kid, dangerously_skip_wait=True)
    ring.export(keys)
    traffic = Traffic(tmp_path / "ring", keys, f"{time.time()},1")
    try:
        old, new = ring.current().kid, ring.add().kid
        # Activated, and its predecessor removed, before a document says anything of it.
        ring.activate(new, dangerously_skip_wait=True)
        time.sleep(LOOK + 0.5)
        ring.remove(old, dangerously_skip_wait=True)
    finally:
        counted = traffic.stop()
    assert all(sum(one["refused"].values()) > 20 for one in counted)
