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
    stamp, octets = f"{milliseconds:012x}", os.urandom(10)
    random = octets.hex()
    # Version 7, and the variant 0b10 with two random bits behind it.
    variant = "89ab"[octets[9] & 3]
    return f"{stamp[:8]}-{stamp[8:]}-7{random[:3]}-{variant}{random[3:6]}-{random[6:18]}"
