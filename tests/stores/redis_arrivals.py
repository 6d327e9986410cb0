"""Messages that arrive, for the tests of inboxes in Redis."""

from __future__ import annotations

import time
from hashlib import sha256

from signedmsg._core.inbox import Arrival, Claim
from tests.stores.helpers import ISSUER

LEASE = 30.0


def arrival(number: int, *, issuer: str = ISSUER, content: bytes = b"{}", keep: float = 3600.0) -> Arrival:
    digest = sha256(content).digest()
    return Arrival(issuer, f"msg_number_{number}", digest, time.time() + keep, "invoice.paid")


def claimed(answer: object) -> Claim:
    assert isinstance(answer, Claim)
    return answer
