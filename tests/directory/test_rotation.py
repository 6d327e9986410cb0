"""Three rotations under load, through a cache that lags: a sender and four receivers in processes of their own.

Time is simulated: each line that a process is given says what time it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import KeyRing
from tests.directory.faults import tagged
from tests.directory.server import DirectoryServer

if TYPE_CHECKING:
    from pathlib import Path

    from signedmsg import DirectoryDocument
    from tests.directory.server import Exchange

ISSUER = "https://billing.example"
START = 1_800_000_000
STEP = 20
# The lifetime of a token and the leeway of a receiver: the longest that a token may be on its way.
LATEST = 60 + 29

SENDER = """
import json, sys
from signedmsg import KeyRing, Sender

now = [float(sys.argv[2])]
clock = lambda: now[0]
ring = KeyRing.open(sys.argv[1], clock=clock, monotonic=clock)
sender = Sender("https://billing.example", ring, clock=clock)
for line in sys.stdin:
    now[0] = json.loads(line)["now"]
    tokens = [sender.sign(1, type="invoice.paid", audience="https://shop.example/inbox") for _ in range(4)]
    print(json.dumps(tokens), flush=True)
"""
RECEIVER = """
import json, sys
from signedmsg import Issuer, KeyDirectory, MemoryReplayCache, Receiver, SignedMessageError

now = [float(sys.argv[2])]
clock = lambda: now[0]
issuer = Issuer("https://billing.example", allow=["*"], keys=sys.argv[1])
directory = KeyDirectory(issuer, clock=clock, observe=lambda event: None, dangerously_allow_loopback_http=True)
cache = MemoryReplayCache(clock=lambda: 0.0)
receiver = Receiver("https://shop.example/inbox", directory, cache, clock=clock, observe=lambda event: None)
for line in sys.stdin:
    given = json.loads(line)
    now[0] = given["now"]
    refused = []
    for token in given["tokens"]:
        try:
            receiver.verify(token)
        except SignedMessageError as error:
            refused.append(f"{error.code}: {error}")
    print(json.dumps(refused), flush=True)
directory.close()
"""


class Child:
    """A process that answers each JSON line with one."""

    def __init__(self, stack: ExitStack, script: str, *arguments: object) -> None:
        command = [sys.executable, "-c", script, *map(str, arguments)]
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )

    def ask(self, **line: object) -> Any:
        self.tell(**line)
        return self.answer()

    def tell(self, **line: object) -> None:
        assert self._process.stdin is not None
        print(json.dumps(line), file=self._process.stdin, flush=True)

    def answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


class World:
    """A ring, a cache before its document that keeps it as long as it may, a sender, and four receivers."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.now = START
        self.refused: list[str] = []
        self.sent = 0
        self._cached: tuple[DirectoryDocument, int] | None = None
        self._on_their_way: list[tuple[int, list[str]]] = []
        self.ring = KeyRing.create(folder, ISSUER, clock=lambda: self.now, monotonic=lambda: float(self.now))
        self.ring.activate(self.ring.add().kid, dangerously_skip_wait=True)
        server = stack.enter_context(DirectoryServer())
        server.serve(self._cache)
        self.server = server
        self._sender = Child(stack, SENDER, folder, START)
        self._receivers = [Child(stack, RECEIVER, server.url(), START) for _ in range(4)]

    def _cache(self, exchange: Exchange) -> None:
        """Answer as a CDN does: with a document that may be `max_age` old, and its age."""
        if self._cached is None or self.now - self._cached[1] >= self._cached[0].max_age:
            self._cached = (self.ring.document(), self.now)
        document, since = self._cached
        headers = {"cache_control": f"public, max-age={document.max_age}", "age": str(self.now - since)}
        tagged(document.content, document.etag, **headers)(exchange)

    def pass_time(self, seconds: int) -> None:
        """Send four tokens a step: three arrive at once, one as late as it may."""
        for _ in range(0, seconds, STEP):
            self.now += STEP
            *prompt, late = self._sender.ask(now=self.now)
            self._on_their_way.append((self.now + LATEST, [late]))
            self._deliver(prompt)
            while self._on_their_way and self._on_their_way[0][0] <= self.now + STEP:
                arrives, tokens = self._on_their_way.pop(0)
                self.now, now = arrives, self.now
                self._deliver(tokens)
                self.now = now

    def _deliver(self, tokens: list[str]) -> None:
        for receiver in self._receivers:
            receiver.tell(now=self.now, tokens=tokens)
        for receiver in self._receivers:
            self.refused += receiver.answer()
        self.sent += len(tokens)

    def wait(self, seconds: int) -> None:
        self.pass_time(-(-seconds // STEP) * STEP)


@pytest.mark.slow
def test_no_message_is_refused_during_three_rotations(tmp_path: Path) -> None:
    with ExitStack() as stack:
        world = World(stack, tmp_path / "ring")
        world.pass_time(100)
        for _ in range(3):
            old = next(key for key in world.ring.keys if key.stage == "active")
            new = world.ring.add()
            world.wait(world.ring.publish_wait)
            world.ring.activate(new.kid)
            world.wait(world.ring.drain_wait)
            world.ring.remove(old.kid)
            world.pass_time(100)
        assert world.refused == []
        assert len({key.kid for key in world.ring.keys if key.stage == "removed"}) == 3
        assert world.sent > 300


@pytest.mark.slow
def test_key_that_signs_before_it_may_is_refused_behind_the_same_cache(tmp_path: Path) -> None:
    with ExitStack() as stack:
        world = World(stack, tmp_path / "ring")
        world.pass_time(100)
        world.ring.activate(world.ring.add().kid, dangerously_skip_wait=True)
        world.pass_time(100)
        assert {reason.partition(":")[0] for reason in world.refused} == {"unknown_key"}
