"""Whatever a publisher, its network and a stranger do, in whatever order: what a source's keys promise holds."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signedmsg import Freshness, KeyDirectoryError, SigningKey
from tests.unit.core.simulated import Simulation

KEYS = [SigningKey.generate() for _ in range(3)]
HARD = 600.0
SOFT = 300.0


class Directory(RuleBasedStateMachine):
    """The model: what was published when, and which of it a read has brought."""

    @initialize(published=st.sets(st.sampled_from(range(3))))
    def begin(self, published: set[int]) -> None:
        self.world = Simulation(freshness=Freshness(hard=HARD))
        self.up = True
        self.sequence = 0
        self.forced = 0
        self.published = published
        self.revoked: set[int] = set()
        self.read_at: float | None = None
        self.held: set[int] = set()
        self.ever_revoked: set[int] = set()
        self.failing = False
        self._serve()

    def _serve(self) -> None:
        self.sequence += 1
        keys = [KEYS[number] for number in sorted(self.published)]
        entries = [{"kid": KEYS[number].kid} for number in sorted(self.revoked)]
        if self.up:
            self.world.serve(*keys, sequence=self.sequence, revoked=entries)

    @rule(published=st.sets(st.sampled_from(range(3))))
    def publish(self, published: set[int]) -> None:
        self.published = published
        self._serve()

    @rule(number=st.sampled_from(range(3)))
    def revoke(self, number: int) -> None:
        self.revoked.add(number)
        self._serve()

    @rule()
    def forget_revocations(self) -> None:
        self.revoked = set()
        self._serve()

    @rule(trouble=st.sampled_from(["fail", "hang"]))
    def go_down(self, trouble: str) -> None:
        self.up = False
        getattr(self.world, trouble)()

    @rule()
    def come_back(self) -> None:
        self.up = True
        self._serve()

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 29.0, 31.0, 100.0, 240.0, 301.0, 901.0]))
    def wait(self, seconds: float) -> None:
        self.world.time += seconds

    def _note(self, reads: int) -> None:
        if len(self.world.reads) == reads:
            return
        self.failing = not self.up
        if self.up:
            self.read_at = self.world.reads[-1]
            self.held = set(self.published)
            self.ever_revoked |= self.revoked

    @rule(number=st.sampled_from(range(3)))
    def look_for_a_key(self, number: int) -> None:
        reads, waited = len(self.world.reads), self.world.waited
        usable = self.read_at is not None and self.world.time - self.read_at <= SOFT + HARD
        known = usable and number in self.held - self.ever_revoked
        # A set that nobody asked for in its soft lifetime is read once before it serves on.
        outlived = known and not self.failing and self.read_at is not None and self.world.time - self.read_at > SOFT
        found = self.world.find(KEYS[number].kid)
        if known and not outlived:
            assert found == "found"
            assert self.world.waited == waited
        if outlived:
            assert len(self.world.reads) == reads + 1
            assert self.world.waited <= waited + 5
            known = not self.up
            assert found == "found" or self.up
        self._note(reads)
        if number in self.ever_revoked and not known:
            assert found == "key_not_valid"
        elif not known:
            fresh = self.read_at is not None and self.world.time - self.read_at <= SOFT + HARD
            expected = "found" if number in self.held and fresh else "unknown_key" if fresh else "key_unavailable"
            assert found == expected

    @rule(number=st.integers(0, 3000))
    def look_for_a_kid_that_nobody_has(self, number: int) -> None:
        reads = len(self.world.reads)
        found = self.world.find(f"nobody-{number}")
        assert len(self.world.reads) <= reads + 1
        self._note(reads)
        usable = self.read_at is not None and self.world.time - self.read_at <= SOFT + HARD
        assert found == ("unknown_key" if usable else "key_unavailable")

    @rule()
    def refresh(self) -> None:
        reads = len(self.world.reads)
        try:
            self.world.refresh()
        except KeyDirectoryError:
            assert not self.up
        else:
            assert self.up
        assert len(self.world.reads) == reads + 1
        self.forced += 1
        self._note(reads)

    @precondition(lambda self: not self.up)
    @rule()
    def flood(self) -> None:
        reads, begin = len(self.world.reads), self.world.time
        for number in range(30):
            self.world.time = max(self.world.time, begin + 2 * number)
            self.world.find(f"flood-{number}")
        within = [at for at in self.world.reads[reads:] if at < begin + 60]
        assert len(within) <= 6
        self._note(reads)

    @invariant()
    def health_agrees_with_what_is_known(self) -> None:
        if not hasattr(self, "world"):
            return
        health = self.world.keys.health(self.world.time)
        if self.read_at is None:
            assert health.state == "unavailable"
        else:
            age = self.world.time - self.read_at
            assert health.state == ("fresh" if age <= SOFT else "stale" if age <= SOFT + HARD else "unavailable")
        assert self.world.keys.revoked == {KEYS[number].kid for number in self.ever_revoked}


TestDirectory = Directory.TestCase
TestDirectory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
