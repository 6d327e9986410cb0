"""What the peers share: the keys, the claims of a token, and the checks added by hand to those that lack them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from signedmsg import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

ISSUER: Final = "https://billing.example"
AUDIENCE: Final = "https://shop.example/inbox"
TYP: Final = "vnd.example.event+jwt"
LIFETIME: Final = 60
LEEWAY: Final = 30
MAX_LIFETIME: Final = 300
# What every JWT library here accepts.
COMMON: Final = "a name given twice, NaN, half a surrogate pair, a fraction in a time, an audience among others"


class RefusedError(Exception):
    """A check added by hand failed."""


@dataclass(frozen=True)
class Keys:
    """One key pair in the forms that the libraries take."""

    alg: str

    @cached_property
    def signing(self) -> SigningKey:
        return SigningKey.generate(self.alg)

    @property
    def kid(self) -> str:
        return self.signing.kid

    @cached_property
    def pem(self) -> bytes:
        return self.signing.to_pem().encode()

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
        key = serialization.load_pem_private_key(self.pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
        return key

    @cached_property
    def public(self) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
        return self.private.public_key()

    @cached_property
    def public_pem(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.public.public_bytes(serialization.Encoding.PEM, form)

    def jwk(self, alg: str | None = None) -> dict[str, Any]:
        """Return the public JWK, under another name of the same algorithm where a library needs one."""
        return {**self.signing.public.to_jwk(), "alg": alg or self.alg}


class Peer(Protocol):
    """One library in one use.

    Attributes:
        name: what tables call it.
        package: the distribution, for its version.
        algorithms: those of ours that it has.
        asymmetric: whether only the signer can sign.
        lacks: what it does not check, with the hand-made checks added.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    algorithms: ClassVar[frozenset[str]]
    asymmetric: ClassVar[bool]
    lacks: ClassVar[str]

    def signer(self, keys: Keys) -> Callable[[Any], Any]:
        """Return what makes a token, or a signed request, of a payload."""
        ...

    def verifier(self, keys: Keys, model: type[BaseModel] | None) -> Callable[[Any], object]:
        """Return what takes one of these and returns the payload, or raises."""
        ...


def new_claims(data: object) -> dict[str, Any]:
    """Return the claims that a careful user of a JWT library sends."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + LIFETIME, "jti": secrets.token_urlsafe(16)}
    return {**claims, "data": data}


class ByHand:
    """The rest of the checks, written as a user would: no expiry of what was seen, no lock, no bound."""

    __slots__ = ("_model", "_seen")

    def __init__(self, model: type[BaseModel] | None) -> None:
        self._model = model
        self._seen: set[str] = set()

    def finish(self, claims: Mapping[str, Any]) -> object:
        """Bound the lifetime, look for a replay, and return the payload; the library checked the rest."""
        if not 0 < claims["exp"] - claims["iat"] <= MAX_LIFETIME:
            raise RefusedError("lifetime")
        self.first(claims["jti"])
        return self.fit(claims["data"])

    def not_ahead(self, issued: float) -> None:
        """Refuse what says it was issued in the future, where the library does not."""
        if issued > time.time() + LEEWAY:
            raise RefusedError("iat")

    def first(self, jti: str) -> None:
        if jti in self._seen:
            raise RefusedError("replay")
        self._seen.add(jti)

    def fit(self, data: Any) -> object:
        return data if self._model is None else self._model.model_validate(data)
