"""jwcrypto: a JWKSet, a closed list of algorithms, and the claims that must be there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jwcrypto import jwk, jwt  # type: ignore[import-untyped]

from tests.bench.peers.rules import AUDIENCE, COMMON, ISSUER, LEEWAY, TYP, ByHand, Keys, Peer, RefusedError, new_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel


class JWCrypto:
    name: ClassVar[str] = "jwcrypto"
    package: ClassVar[str] = "jwcrypto"
    algorithms: ClassVar[frozenset[str]] = frozenset({"ES256", "Ed25519"})
    asymmetric: ClassVar[bool] = True
    lacks: ClassVar[str] = f"{COMMON}; unknown header parameters"

    def signer(self, keys: Keys) -> Callable[[Any], str]:
        key, header = jwk.JWK.from_pem(keys.pem), {"alg": keys.alg, "kid": keys.kid, "typ": TYP}

        def sign(data: Any) -> str:
            token = jwt.JWT(header=header, claims=new_claims(data))
            token.make_signed_token(key)
            return str(token.serialize())

        return sign

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[str], object]:
        known, by_hand = jwk.JWKSet.from_json(json.dumps({"keys": [keys.jwk()]})), ByHand(model)
        rules = {"iss": ISSUER, "aud": AUDIENCE, "iat": None, "exp": None, "jti": None}

        def verify(token: str) -> object:
            read = jwt.JWT(algs=[keys.alg], check_claims=rules, expected_type="JWS", strict_serialization=True)
            read.leeway = LEEWAY
            read.deserialize(token, known)
            if json.loads(read.header).get("typ") != TYP:
                raise RefusedError("typ")
            claims = json.loads(read.claims)
            by_hand.not_ahead(claims["iat"])
            return by_hand.finish(claims)

        return verify


PEERS: Final[tuple[Peer, ...]] = (JWCrypto(),)
