"""Short words for the tests of stores: ids, a token's moment, and Python in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signedmsg import ReplayCache
    from signedmsg.testing import ManualClock

KEEP = 300.0
ISSUER = "https://billing.example"


def key(number: int) -> bytes:
    return blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def add(cache: ReplayCache, number: int, issued_at: float, *, keep: float = KEEP, issuer: str = ISSUER) -> bool:
    return cache.add(key(number), keep, issuer=issuer, issued_at=issued_at)


def later(clock: ManualClock, seconds: float = 1.0) -> float:
    """Let time pass and return the new time, at which the next token is signed."""
    clock.advance(seconds)
    return clock()


def start_python(script: str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def run_python(script: str, *arguments: str) -> list[str]:
    """Run the script to its end and return the lines that it printed."""
    process = start_python(script, *arguments)
    printed, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    return printed.splitlines()
