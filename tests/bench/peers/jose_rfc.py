"""joserfc: a key set, a closed list of algorithms, and its registry of claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from joserfc import jwk, jwt
from joserfc.jws import JWSRegistry

from tests.bench.peers.rules import AUDIENCE, COMMON, ISSUER, LEEWAY, TYP, ByHand, Keys, Peer, RefusedError, new_claims

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel


class _Large(JWSRegistry):
    """Takes payloads above 128 KB, which joserfc refuses by default."""

    max_payload_length = 4 * 1024 * 1024


class JoseRFC:
    name: ClassVar[str] = "joserfc"
    package: ClassVar[str] = "joserfc"
    algorithms: ClassVar[frozenset[str]] = frozenset({"ES256", "Ed25519"})
    asymmetric: ClassVar[bool] = True
    lacks: ClassVar[str] = COMMON

    def signer(self, keys: Keys) -> Callable[[Any], str]:
        key: Any = jwk.import_key(keys.pem, "EC" if keys.alg == "ES256" else "OKP")
        header, allowed = {"alg": keys.alg, "kid": keys.kid, "typ": TYP}, [keys.alg]
        return lambda data: jwt.encode(header, new_claims(data), key, allowed)

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[str], object]:
        known, finish = jwk.KeySet.import_key_set({"keys": [keys.jwk()]}), ByHand(model).finish
        registry = _Large(algorithms=[keys.alg])
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": ISSUER},
            aud={"essential": True, "value": AUDIENCE},
            iat={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        )

        def verify(token: str) -> object:
            read = jwt.decode(token, known, registry=registry)
            if read.header.get("typ") != TYP:
                raise RefusedError("typ")
            rules.validate(read.claims)
            return finish(read.claims)

        return verify


PEERS: Final[tuple[Peer, ...]] = (JoseRFC(),)
