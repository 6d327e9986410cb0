"""Whatever happens to two servers, in whatever order, no token is accepted twice."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from signedmsg.errors import StoreError
from signedmsg.stores.redis import RedisReplayCache
from tests.servers import valkey
from tests.stores.helpers import ISSUER, KEEP, key
from tests.stores.redis_clients import Switch
from tests.stores.test_redis_loss import evict

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.real_server, pytest.mark.slow]

STEPS = 40


class World:
    """Two servers that take turns as the primary, and processes that know more or less of what happened."""

    def __init__(self, seed: int, first: valkey.Valkey, second: valkey.Valkey) -> None:
        self.random = random.Random(seed)
        self.primary, self.other = first, second
        self.following = False
        self.switch = Switch(first.client())
        self.processes: list[RedisReplayCache] = []
        self.signed: dict[int, float] = {}
        self.accepted: dict[int, list[str]] = {}
        self.history: list[str] = []

    def step(self) -> None:
        losses = [self.flush, self.save, self.restart, self.evict, self.delete_one, self.follow, self.fall_behind]
        happens = self.random.choice([*losses, self.fail_over, self.new_process])
        self.history.append(happens.__name__)
        happens()
        for _ in range(20):
            number = len(self.signed)
            # Half of them signed a moment before what just happened.
            self.signed[number] = time.time() - self.random.choice((0.0, 0.05))
            self.present(number)
        for number in self.random.sample(list(self.signed), min(100, len(self.signed))):
            self.present(number)

    def present(self, number: int) -> None:
        cache = self.random.choice(self.processes)
        try:
            new = cache.add(key(number), KEEP, issuer=ISSUER, issued_at=self.signed[number])
        except StoreError:
            return
        if new:
            self.accepted.setdefault(number, []).append(self.history[-1])

    def flush(self) -> None:
        self.primary.command("FLUSHALL")

    def save(self) -> None:
        # Refused while one is being written for the replica.
        valkey.until(lambda: self.primary.command("SAVE"), "a snapshot")

    def restart(self) -> None:
        self.primary.restart()

    def evict(self) -> None:
        evict(self.primary)

    def delete_one(self) -> None:
        end = self.random.choice(("young", "old"))
        self.primary.command("DEL", f"signedmsg:{{{self.random.randrange(64)}}}:{end}")

    def follow(self) -> None:
        self.other.follow(self.primary)
        self.following = True

    def fall_behind(self) -> None:
        if self.following:
            self.other.fall_behind(self.primary)
            self.following = False

    def fail_over(self) -> None:
        self.primary, self.other = self.other, self.primary
        self.primary.promote()
        # The old one is demoted, as by a sentinel; it may come back later without ever having synchronised.
        self.other.command("CONFIG", "SET", "masterauth", "not the password")
        self.other.command("REPLICAOF", "127.0.0.1", str(self.primary.port))
        self.following = False
        self.switch.client.close()  # type: ignore[attr-defined]
        self.switch.client = self.primary.client()

    def new_process(self) -> None:
        # No leeway, so that most of what is signed after a loss is accepted, and could be replayed after the next.
        self.processes.append(RedisReplayCache(self.switch, leeway=0.0))


@pytest.fixture
def servers() -> Generator[tuple[valkey.Valkey, valkey.Valkey]]:
    with valkey.one(*valkey.REPLICATED) as one, valkey.one(*valkey.REPLICATED) as other:
        yield one, other


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_no_token_is_accepted_twice(servers: tuple[valkey.Valkey, valkey.Valkey], seed: int) -> None:
    world = World(seed, *servers)
    world.new_process()
    world.history.append("made")
    for _ in range(STEPS):
        world.step()
    world.switch.client.close()  # type: ignore[attr-defined]
    twice = {number: when for number, when in world.accepted.items() if len(when) > 1}
    assert not twice, world.history
    assert len(world.accepted) > STEPS
