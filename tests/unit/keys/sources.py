"""A file of keys, and a directory over it whose clock a test moves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from signedmsg import (
    Issuer,
    KeyDirectory,
    SigningKey,
    UnknownKeyError,
)
from signedmsg._core.events import DirectoryFailed
from tests.unit.peers import Clock

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://billing.example"
A, B = SigningKey.generate(), SigningKey.generate()


def write(path: Path, *keys: SigningKey, **more: Any) -> None:
    path.write_text(json.dumps({"keys": [key.public.to_jwk() for key in keys], **more}), "utf-8")


class RunningClock(Clock):
    """A clock on which each look takes 0.6 seconds."""

    def __call__(self) -> float:
        self.now += 0.6
        return self.now


class Source:
    """A file of keys, and a directory over it whose clock stands still until it is moved."""

    def __init__(self, path: Path, kind: type[Any] = KeyDirectory, **options: Any) -> None:
        self.path = path
        self.clock = Clock(1000.0)
        self.events: list[Any] = []
        issuer = Issuer(ISSUER, allow=["*"], keys=path)
        self.directory = kind(issuer, clock=self.clock, observe=self.events.append, **options)
        self.events.clear()

    def usable(self, key: SigningKey, *, after: float = 2.0) -> bool:
        """Say whether the key is found once some time has passed."""
        self.clock.now += after
        try:
            return bool(self.directory.find(ISSUER, key.kid).kid == key.kid)
        except UnknownKeyError:
            return False

    def lose(self) -> None:
        """Remove the file, and let as much time pass as the last good set may be used."""
        self.path.unlink()
        self.clock.now += 3600

    def failures(self) -> int:
        return sum(isinstance(event, DirectoryFailed) for event in self.events)
