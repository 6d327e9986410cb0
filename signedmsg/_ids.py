"""New ids: a `jti` for every signature, a UUIDv7 for every message."""

from __future__ import annotations

import os
import time

from signedmsg._jose import base64url


def new_jti() -> str:
    """Return 128 bits from the system's CSPRNG as 22 base64url characters."""
    return base64url.encode(os.urandom(16))


def new_message_id(now: float | None = None) -> str:
    """Return a UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, 74 random bits; sorts by time."""
    milliseconds = int((time.time() if now is None else now) * 1000) & (2**48 - 1)
    random = int.from_bytes(os.urandom(10), "big")
    rand_a, rand_b = random >> 68, random & (2**62 - 1)
    text = f"{milliseconds << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
