"""standardwebhooks: HMAC-SHA256 under a secret that both sides have, so whoever verifies can also sign."""

from __future__ import annotations

import json
import os
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from standardwebhooks.webhooks import Webhook

from tests.bench.peers.rules import ByHand, Keys, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

SECRET: Final = os.urandom(32)
Request = tuple[str, dict[str, str]]


class StandardWebhooks:
    """Measured beside every algorithm, since it has only its own."""

    name: ClassVar[str] = "standardwebhooks (HMAC)"
    package: ClassVar[str] = "standardwebhooks"
    algorithms: ClassVar[frozenset[str]] = frozenset({"ES256", "Ed25519"})
    asymmetric: ClassVar[bool] = False
    lacks: ClassVar[str] = (
        "issuer, audience, key id, type; a name given twice, NaN (another primitive: a shared secret)"
    )

    def signer(self, keys: Keys) -> Callable[[Any], Request]:
        webhook = Webhook(SECRET)

        def sign(data: Any) -> Request:
            body, number, now = json.dumps(data), f"msg_{secrets.token_urlsafe(16)}", datetime.now(UTC)
            signature = webhook.sign(number, now, body)
            stamp = str(int(now.timestamp()))
            return body, {"webhook-id": number, "webhook-timestamp": stamp, "webhook-signature": signature}

        return sign

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[Request], object]:
        webhook, by_hand = Webhook(SECRET), ByHand(model)

        def verify(request: Request) -> object:
            body, headers = request
            data = webhook.verify(body, headers)
            by_hand.first(headers["webhook-id"])
            return by_hand.fit(data)

        return verify


PEERS: Final[tuple[Peer, ...]] = (StandardWebhooks(),)
