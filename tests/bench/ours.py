"""signedmsg as it is measured: the public `Sender` and `Receiver`, every check on."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

from signedmsg import Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver, Sender
from tests.bench.floors import unpadded
from tests.bench.peers.rules import AUDIENCE, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg.observe import Event
    from tests.bench.peers.rules import Keys

NAME: Final = "signedmsg"
AS_JSON: Final = "signedmsg, data as JSON"
REORDERED: Final = "signedmsg, claims in another order"
TYPE: Final = "order.placed"
LARGE: Final = 4 * 1024 * 1024


def signer(keys: Keys, *, max_size: int = LARGE) -> Callable[[Any], str]:
    sign = Sender(ISSUER, keys.signing, max_size=max_size).sign
    return lambda data: sign(data, type=TYPE, audience=AUDIENCE)


def receiver(*keys: Keys, max_size: int = LARGE, observe: Callable[[Event], None] | None = None) -> Receiver:
    """Return a receiver that trusts one issuer with these keys, for orders alone."""
    issuer = Issuer(ISSUER, allow=["order.*"], keys=JWKSet(*(each.signing.public for each in keys)))
    cache = MemoryReplayCache(capacity=2_000_000, quota=2_000_000)
    return Receiver(AUDIENCE, KeyDirectory(issuer), cache, max_size=max_size, observe=observe)


def in_other_order(keys: Keys, sign: Callable[[Any], str]) -> Callable[[Any], str]:
    """Return a signer of the same claims the other way round: as valid, but not as our senders write them."""

    def signed(data: Any) -> str:
        header, claims, _ = sign(data).split(".")
        turned = dict(reversed(json.loads(unpadded(claims)).items()))
        return resigned(keys, header, json.dumps(turned, separators=(",", ":"), ensure_ascii=False).encode())

    return signed


def resigned(keys: Keys, header: str, claims: bytes) -> str:
    """Return a token of this header segment and these claims."""
    signing_input = f"{header}.{segment(claims)}"
    return f"{signing_input}.{segment(keys.signing.sign(signing_input.encode()))}"


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
