"""http-message-signatures (RFC 9421): signs the method, the URL and the digest of a body that stays beside it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from tests.bench.peers.rules import AUDIENCE, LEEWAY, LIFETIME, MAX_LIFETIME, ByHand, Keys, Peer, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

NAMES: Final = {"ES256": algorithms.ECDSA_P256_SHA256, "Ed25519": algorithms.ED25519}
COVERED: Final = ("@method", "@target-uri", "content-type", "content-digest")
TAG: Final = "example-event"


@dataclass(slots=True)
class Request:
    body: bytes
    method: str = "POST"
    url: str = AUDIENCE
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = timedelta(seconds=LEEWAY)


class HTTPSignatures:
    name: ClassVar[str] = "http-message-signatures"
    package: ClassVar[str] = "http-message-signatures"
    algorithms: ClassVar[frozenset[str]] = frozenset(NAMES)
    asymmetric: ClassVar[bool] = True
    lacks: ClassVar[str] = "a name given twice, NaN, half a surrogate pair (another format: a signed HTTP request)"

    def signer(self, keys: Keys) -> Callable[[Any], Request]:
        known = MappingKeyResolver(public_keys={}, private_keys={keys.kid: keys.private})
        signer = HTTPMessageSigner(signature_algorithm=NAMES[keys.alg], key_resolver=known)
        covered = COVERED[:-1]  # `body` adds the digest

        def sign(data: Any) -> Request:
            request, now = Request(json.dumps(data).encode()), datetime.now(UTC)
            signer.sign(
                request,
                key_id=keys.kid,
                created=now,
                expires=now + timedelta(seconds=LIFETIME),
                nonce=secrets.token_urlsafe(16),
                tag=TAG,
                covered_component_ids=covered,
                body=request.body,
            )
            return request

        return sign

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[Request], object]:
        known = MappingKeyResolver(public_keys={keys.kid: keys.public}, private_keys={})
        verifier = _Verifier(signature_algorithm=NAMES[keys.alg], key_resolver=known)
        by_hand, oldest = ByHand(model), timedelta(seconds=MAX_LIFETIME)

        def verify(request: Request) -> object:
            [read] = verifier.verify(
                request, max_age=oldest, expect_tag=TAG, require_components=COVERED, body=request.body
            )
            said = dict[str, Any](read.parameters)
            if request.url != AUDIENCE or not 0 < said["expires"] - said["created"] <= MAX_LIFETIME:
                raise RefusedError("url or lifetime")
            by_hand.first(said["nonce"])
            return by_hand.fit(json.loads(request.body))

        return verify


PEERS: Final[tuple[Peer, ...]] = (HTTPSignatures(),)
