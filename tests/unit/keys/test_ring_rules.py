"""Whatever is done to a ring in whatever order: what must hold of it always holds."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from signedmsg import KeyRingError, SigningKey
from signedmsg._core import ring_changes as changes
from signedmsg._core.document import parse_document
from signedmsg._core.ring import LIVE, Ring, RingKey
from signedmsg._core.ring_file import dump_ring, parse_ring
from signedmsg.keys._ring_reader import document_of

KEYS = [SigningKey.generate("Ed25519").public for _ in range(8)]
PICKS = st.integers(0, len(KEYS) - 1)


class RingRules(RuleBasedStateMachine):
    """A ring under a clock that jumps, and a receiver that reads its documents as late as it may."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000.0
        self.ring = Ring("https://billing.example", 0, 300, 300, None, int(self.now))
        # When each kid first stood in a document, and when it was last the active one.
        self.first: dict[str, float] = {}
        self.last_active: dict[str, float] = {}

    def change(self, what: Any, *arguments: Any, **options: Any) -> None:
        before = self.ring
        try:
            self.ring = what(before, *arguments, now=self.now, **options)
        except KeyRingError:
            assert self.ring is before
            return
        assert self.ring.sequence == before.sequence + 1
        assert self.ring.changed_at >= before.changed_at
        if before.active is not None:
            self.last_active[before.active.kid] = self.now
        for key in self.ring.keys:
            self.first.setdefault(key.kid, self.now)

    @rule(pick=PICKS)
    def add(self, pick: int) -> None:
        self.change(changes.add, KEYS[pick])

    @rule(pick=PICKS)
    def activate(self, pick: int) -> None:
        self.change(changes.activate, KEYS[pick].kid)
        active = self.ring.active
        if active is not None and active.activated_at == self.ring.changed_at:
            assert self.now - self.first[active.kid] >= 360

    @rule(pick=PICKS)
    def retire(self, pick: int) -> None:
        self.change(changes.retire, KEYS[pick].kid)

    @rule(pick=PICKS)
    def remove(self, pick: int) -> None:
        kid = KEYS[pick].kid
        before = self.ring
        self.change(changes.remove, kid)
        if self.ring is not before and kid in self.last_active:
            assert self.now - self.last_active[kid] >= 420

    @rule(pick=PICKS)
    def revoke(self, pick: int) -> None:
        self.change(changes.revoke, KEYS[pick].kid, "superseded")

    @rule(seconds=st.sampled_from([1, 60, 300, 361, 421, 5000]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def one_key_signs_at_most(self) -> None:
        assert sum(key.stage == "active" for key in self.ring.keys) <= 1

    @invariant()
    def file_gives_the_same_ring_back(self) -> None:
        assert parse_ring(dump_ring(self.ring)) == self.ring

    @invariant()
    def document_holds_the_live_keys_and_names_the_revoked(self) -> None:
        document = parse_document(document_of(self.ring).content)
        of = partial(_kids, self.ring.keys)
        assert {key.kid for key in document.keys} == of(LIVE)
        assert set(document.revoked) == of({"revoked"})
        assert document.refused == ()


def _kids(keys: tuple[RingKey, ...], stages: Any) -> set[str]:
    return {key.kid for key in keys if key.stage in stages}


RingRules.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestRingRules = RingRules.TestCase
