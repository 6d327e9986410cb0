"""A new key for a ring, with an end to its life."""

from __future__ import annotations

import math
from datetime import timedelta

from signedmsg._jose import pem
from signedmsg._jose.jwk import PublicKey
from signedmsg.keys.signing import SigningKey


def make_key(alg: str, expires: int | timedelta | None, key: SigningKey | None, now: float) -> SigningKey:
    """Return a new key, or `key`, that ends at a NumericDate or a time from now."""
    end = math.floor(now + expires.total_seconds()) if isinstance(expires, timedelta) else expires
    made = _generate(alg) if key is None else key
    return made if end is None else _with_end(made, end)


def _generate(alg: str) -> SigningKey:
    while True:
        key = SigningKey.generate(alg)
        # On a command line it would look like an option.
        if not key.kid.startswith("-"):
            return key


def _with_end(key: SigningKey, expires: int) -> SigningKey:
    private = pem.load_private(key.to_pem(), None)
    public = PublicKey(private.public_key(), alg=key.alg, kid=key.kid, not_before=key.not_before, expires=expires)
    return SigningKey(private, public)
