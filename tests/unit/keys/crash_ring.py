"""Changes a key ring in children that die, as of kill -9, before their n-th step; prints what each left behind.

Run as a program of its own: `python crash_ring.py FOLDER ACTION`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signedmsg import KeyRing, KeyRingError
from signedmsg.keys._ring_files import Disk

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER = "https://billing.example"


class Dying(Disk):
    """Ends its process without a word before the n-th step, and in the middle of writing a file."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def _step(self) -> None:
        self._left -= 1
        if self._left < 0:
            os._exit(9)

    def create(self, path: Path, content: bytes, mode: int) -> None:
        self._step()
        if self._left == 0:
            super().create(path, content[: len(content) // 2], mode)
            os._exit(9)
        super().create(path, content, mode)

    def replace(self, draft: Path, path: Path) -> None:
        self._step()
        super().replace(draft, path)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)

    def sync(self, folder: Path) -> None:
        self._step()
        super().sync(folder)


def kid(ring: KeyRing, stage: str) -> str:
    return next(key.kid for key in ring.keys if key.stage == stage)


ACTIONS: dict[str, Callable[[KeyRing], object]] = {
    "add": lambda ring: ring.add(),
    "activate": lambda ring: ring.activate(kid(ring, "published"), dangerously_skip_wait=True),
    "remove": lambda ring: ring.remove(kid(ring, "retired"), dangerously_skip_wait=True),
    "revoke": lambda ring: ring.revoke(kid(ring, "active"), "compromised"),
    "export": lambda ring: ring.export(ring.path.parent / "keys.json"),
}


def prepare(path: Path) -> KeyRing:
    """A ring with a key in each live stage, and a draft that an earlier crash left."""
    ring = KeyRing.create(path, ISSUER)
    for _ in range(2):
        ring.activate(ring.add().kid, dangerously_skip_wait=True)
    ring.add()
    (path / ".ring.json.0123").write_text("half")
    return ring


def look(path: Path) -> dict[str, Any]:
    """What another process finds, and whether the ring still works."""
    ring = KeyRing.open(path)
    found: dict[str, Any] = {"sequence": ring.sequence, "stages": [key.stage for key in ring.keys]}
    found["document"] = json.loads(ring.document().content)["sequence"]
    found["signs"] = "active" in found["stages"] and len(ring.current().sign(b"x")) == 64
    for key in ring.keys:
        if key.stage in ("published", "active", "retired"):
            ring.activate(key.kid, dangerously_skip_wait=True) if key.stage != "active" else None
            ring.current()
    # A change by somebody else goes through, and clears what was left.
    ring.add()
    found["drafts"] = [one.name for one in path.iterdir() if one.name.startswith(".")]
    live = sum(key.stage in ("published", "active", "retired") for key in ring.keys)
    found["stray"] = len(list(path.glob("*.pem"))) - live
    return found


def main(folder: Path, action: str) -> None:
    prepare(folder / "made")
    for steps in range(100):
        path = folder / f"{steps}"
        shutil.copytree(folder / "made", path)
        child = os.fork()
        if child == 0:
            try:
                ACTIONS[action](KeyRing.open(path, disk=Dying(steps)))
            except KeyRingError:
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"code": code, **look(path)}), flush=True)
        if code != 9:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
