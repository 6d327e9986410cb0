"""PyJWT: with the key found by its kid in a PyJWKSet, and with the key given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import jwt

from tests.bench.peers.rules import AUDIENCE, COMMON, ISSUER, LEEWAY, TYP, ByHand, Keys, Peer, RefusedError, new_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

NAMES: Final = {"ES256": "ES256", "Ed25519": "EdDSA"}


class LookedUp:
    name: ClassVar[str] = "PyJWT"
    package: ClassVar[str] = "pyjwt"
    algorithms: ClassVar[frozenset[str]] = frozenset(NAMES)
    asymmetric: ClassVar[bool] = True
    lacks: ClassVar[str] = f"{COMMON}; unknown header parameters"

    def signer(self, keys: Keys) -> Callable[[Any], str]:
        alg, key, headers = NAMES[keys.alg], keys.private, {"kid": keys.kid, "typ": TYP}
        return lambda data: jwt.encode(new_claims(data), key, alg, headers)

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[str], object]:
        alg, finish = NAMES[keys.alg], ByHand(model).finish
        known = jwt.PyJWKSet([keys.jwk(alg)])
        checks: Any = {"require": ["iss", "aud", "iat", "exp", "jti"]}

        def verify(token: str) -> object:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TYP:
                raise RefusedError("typ")
            key = known[header["kid"]]
            return finish(jwt.decode(token, key, [alg], checks, audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY))

        return verify


class KeyGiven(LookedUp):
    name: ClassVar[str] = "PyJWT, key given"
    lacks: ClassVar[str] = f"{COMMON}; unknown header parameters; which key the token names"

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[str], object]:
        alg, finish = NAMES[keys.alg], ByHand(model).finish
        key = jwt.PyJWK(keys.jwk(alg))
        checks: Any = {"require": ["iss", "aud", "iat", "exp", "jti"]}

        def verify(token: str) -> object:
            read = jwt.decode_complete(token, key, [alg], checks, audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY)
            if read["header"].get("typ") != TYP:
                raise RefusedError("typ")
            return finish(read["payload"])

        return verify


PEERS: Final[tuple[Peer, ...]] = (LookedUp(), KeyGiven())
