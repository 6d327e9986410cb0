"""atlassian-jwt-auth: a fixed public key instead of one fetched for each token, and its own memory of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import atlassian_jwt_auth
from atlassian_jwt_auth.key import BasePublicKeyRetriever, KeyIdentifier

from tests.bench.peers.rules import AUDIENCE, COMMON, LEEWAY, MAX_LIFETIME, ByHand, Keys, Peer, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

# The kid begins with the issuer, and may not hold the colon of a URL.
ISSUER: Final = "billing.example"


class _Fixed(BasePublicKeyRetriever):
    def __init__(self, kid: str, pem: str) -> None:
        self._known = {kid: pem}

    def retrieve(self, key_identifier: KeyIdentifier | str, **_: Any) -> str:
        return self._known[key_identifier if isinstance(key_identifier, str) else key_identifier.key_id]


class Atlassian:
    name: ClassVar[str] = "atlassian-jwt-auth"
    package: ClassVar[str] = "atlassian-jwt-auth"
    algorithms: ClassVar[frozenset[str]] = frozenset({"ES256"})
    asymmetric: ClassVar[bool] = True
    lacks: ClassVar[str] = (
        f"{COMMON}; unknown header parameters; `typ`; which algorithm a key is for; all but the last 1,000 ids"
    )

    def signer(self, keys: Keys) -> Callable[[Any], bytes]:
        signer = atlassian_jwt_auth.create_signer(ISSUER, f"{ISSUER}/{keys.kid}", keys.pem, algorithm=keys.alg)

        def sign(data: Any) -> bytes:
            token: bytes = signer.generate_jwt(AUDIENCE, additional_claims={"data": data})
            return token

        return sign

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[bytes], object]:
        known = _Fixed(f"{ISSUER}/{keys.kid}", keys.public_pem.decode())
        verifier = atlassian_jwt_auth.JWTAuthVerifier(known, check_jti_uniqueness=True)
        fit = ByHand(model).fit

        def verify(token: bytes) -> object:
            claims = verifier.verify_jwt(token, AUDIENCE, LEEWAY)
            if claims["iss"] != ISSUER or not 0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME:
                raise RefusedError("iss or lifetime")
            return fit(claims["data"])

        return verify


PEERS: Final[tuple[Peer, ...]] = (Atlassian(),)
