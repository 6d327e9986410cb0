"""A process that dies between any two steps of a change leaves a ring that opens, signs and can be changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import signedmsg
from signedmsg import KeyRing
from tests.unit.keys.rings import Rings

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
SCRIPT = Path(__file__).parent / "crash_ring.py"
PACKAGE_PARENT = str(Path(str(signedmsg.__file__)).parent.parent)
BEFORE = ["retired", "active", "published"]
AFTER = {
    "add": [*BEFORE, "published"],
    "activate": ["retired", "retired", "active"],
    "remove": ["removed", "active", "published"],
    "revoke": ["retired", "revoked", "published"],
    "export": BEFORE,
}


def crash(folder: Path, action: str) -> list[dict[str, Any]]:
    """Return what was found after a death at each step; the last one lived."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder), action],
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@POSIX
@pytest.mark.parametrize("action", AFTER)
def test_death_at_any_step_leaves_the_ring_before_or_after_the_change(tmp_path: Path, action: str) -> None:
    *deaths, alive = crash(tmp_path, action)
    assert alive["code"] == 0
    assert len(deaths) >= 4
    assert {one["code"] for one in deaths} == {9}
    for one in (*deaths, alive):
        assert one["stages"] in (BEFORE, AFTER[action])
        assert one["sequence"] == one["document"] == 5 + (one["stages"] != BEFORE)
        assert one["signs"] or "active" not in one["stages"]
    # Once after the change, always after it: a later step takes nothing back.
    reached = [one["stages"] == AFTER[action] for one in deaths]
    assert reached == sorted(reached)


@POSIX
@pytest.mark.parametrize("action", AFTER)
def test_next_change_clears_what_a_death_left(tmp_path: Path, action: str) -> None:
    found = crash(tmp_path, action)
    assert [one["drafts"] for one in found if one["drafts"]] == []
    # A key that never came into the ring may stay behind: nothing says whose it is.
    assert {one["stray"] for one in found} <= ({0, 1} if action == "add" else {0})


def test_changes_of_many_threads_and_rings_all_count(tmp_path: Path) -> None:
    rings = Rings(tmp_path / "ring")
    rings.create()
    made: list[str] = []

    def work(ring: KeyRing) -> None:
        made.extend(ring.add("Ed25519").kid for _ in range(5))

    shared = rings.open()
    threads = [threading.Thread(target=work, args=(ring,)) for ring in (shared, shared, rings.open(), rings.open())]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    ring = rings.open()
    assert (ring.sequence, {key.kid for key in ring.keys}) == (20, set(made))
    # What the others did last, a ring learns when it looks again.
    rings.clock.advance(1)
    assert (shared.sequence, len(rings.pems())) == (20, 20)
