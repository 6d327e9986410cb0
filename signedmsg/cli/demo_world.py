"""What the demo's attackers work with: the senders' keys, genuine tokens, and the means to make others."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from signedmsg._jose import base64url
from signedmsg.cli.demo_receiver import BILLING, STORE, keys_of
from signedmsg.cli.jwks import compose, publish
from signedmsg.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue
    from signedmsg.cli.child import Child
    from signedmsg.keys.signing import SigningKey

INVOICE: Final[dict[str, JSONValue]] = {
    "number": 42,
    "customer": "cus_0042",
    "currency": "EUR",
    "amount": 990,
    "lines": [],
}


@dataclass(slots=True)
class World:
    """What an attacker sees and has, and the honest sender's keys.

    Attributes:
        genuine: a token that billing really signed; it is sent after its altered copies, and then again.
    """

    receiver: Child
    folder: Path
    billing: SigningKey
    store: SigningKey
    newer: SigningKey
    genuine: str = ""

    def sign(
        self,
        key: SigningKey | None = None,
        *,
        issuer: str = BILLING,
        audience: str | None = None,
        type: str = "invoice.paid",
        data: object = INVOICE,
        at: float = 0.0,
    ) -> str:
        """Return a token as an honest library makes it, `at` seconds from now; billing's own by default."""
        sender = Sender(issuer, key or self.billing, clock=lambda: time.time() + at)
        return sender.sign(data, type=type, audience=audience or self.receiver.url)


def split(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return header, claims and signature of a token made here."""
    header, payload, signature = map(base64url.decode, token.split("."))
    return json.loads(header), json.loads(payload), signature


def join(header: Mapping[str, object], claims: Mapping[str, object], signature: bytes) -> str:
    """Return a token that says what an attacker wants, under whatever signature."""
    return f"{signing_input(header, claims)}.{base64url.encode(signature)}"


def signing_input(header: Mapping[str, object], claims: Mapping[str, object]) -> str:
    """Return the two first pieces of a token."""
    return ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, claims))


def publish_first(folder: Path, billing: PublicKey, store: PublicKey) -> None:
    """Write the directories of both issuers as they are when the demo begins."""
    publish(keys_of(folder, BILLING), compose([billing], issuer=BILLING, sequence=1))
    publish(keys_of(folder, STORE), compose([store], issuer=STORE))
