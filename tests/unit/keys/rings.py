"""A key ring in a test's folder, with clocks that the test sets."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from signedmsg import KeyRing, KeyRingError
from signedmsg.testing import ManualClock

if TYPE_CHECKING:
    from pathlib import Path

ISSUER: Final = "https://billing.example"
# What the defaults amount to: 300 + 60 + 1, and 300 + 60 + 60 + 1.
PUBLISH_WAIT: Final = 361
DRAIN_WAIT: Final = 421


class Rings:
    """One folder, and the rings of several processes on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = ManualClock(1_800_000_000.0)

    def create(self, **options: Any) -> KeyRing:
        options = {"clock": self.clock, "monotonic": self.clock.monotonic, **options}
        return KeyRing.create(self.path, options.pop("issuer", ISSUER), **options)

    def open(self, **options: Any) -> KeyRing:
        return KeyRing.open(self.path, **{"clock": self.clock, "monotonic": self.clock.monotonic, **options})

    def active(self, **options: Any) -> KeyRing:
        """A ring with one key, which signs."""
        ring = self.create(**options)
        ring.activate(ring.add().kid, dangerously_skip_wait=True)
        return ring

    def written(self) -> dict[str, Any]:
        return dict(json.loads((self.path / "ring.json").read_text()))

    def write(self, **members: Any) -> None:
        (self.path / "ring.json").write_text(json.dumps({**self.written(), **members}))

    def pems(self) -> list[str]:
        return sorted(path.name for path in self.path.glob("*.pem"))


def stages(ring: KeyRing) -> list[str]:
    return [key.stage for key in ring.keys]


def document(ring: KeyRing) -> dict[str, Any]:
    return dict(json.loads(ring.document().content))


def published(ring: KeyRing) -> list[str]:
    return [key["kid"] for key in document(ring)["keys"]]


def refusal(work: Any, *arguments: Any, **options: Any) -> KeyRingError:
    """Return the error that a change is refused with."""
    with contextlib.suppress(KeyRingError):
        work(*arguments, **options)
        raise AssertionError("the change was not refused")
    try:
        work(*arguments, **options)
    except KeyRingError as error:
        return error
    raise AssertionError("refused once, and then no more")
