"""The JWS algorithms, as a table: name -> key type, curve, and how to sign and verify.

Asymmetric ones only: there is no `none` and no HMAC in this package, so no key and no
header can ask for them (RFC 8725 §3.1, §3.2).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from signedmsg.errors import InvalidSignatureError

if TYPE_CHECKING:
    from collections.abc import Mapping

MLDSAPrivate: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MLDSAPublic: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | MLDSAPrivate
Public: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | MLDSAPublic

DEFAULT_ALGORITHM: Final = "ES256"
RSA_BITS: Final = 3072

# What `cryptography` raises for a signature it cannot even try; to a verifier all are the same.
_REFUSALS: Final = (InvalidSignature, UnsupportedAlgorithm, InternalError, ValueError, TypeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Algorithm(ABC):
    """One JWS algorithm. The keys given to it must be of its `kty` and `crv`.

    Attributes:
        name: as registered for JOSE, such as `ES256`.
        kty: the JWK key type (RFC 7517 §4.1) of its keys.
        crv: the curve of its keys, or None where the key type has none.
    """

    name: str
    kty: str
    crv: str | None

    @abstractmethod
    def generate(self) -> Private:
        """Make a new private key from the system's CSPRNG."""

    @abstractmethod
    def sign(self, private_key: Private, signing_input: bytes) -> bytes:
        """Return the raw JWS signature."""

    @abstractmethod
    def signature_size(self, public_key: Public, /) -> int:
        """Return how many octets a signature under this key has."""

    def verify(self, public_key: Public, signature: bytes, signing_input: bytes) -> None:
        """Return only if `signature` is one over `signing_input`.

        Raises:
            InvalidSignatureError: for whatever reason it is not.
        """
        try:
            self._check(public_key, signature, signing_input)
        except _REFUSALS:
            raise InvalidSignatureError("the signature does not verify under the key") from None

    @abstractmethod
    def _check(self, public_key: Public, signature: bytes, signing_input: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class _ECDSA(Algorithm):
    """RFC 7518 §3.4: r and s in full length, one after the other, never DER."""

    curve: ec.EllipticCurve
    hash: type[hashes.HashAlgorithm]
    half: int
    scheme: ec.ECDSA

    def generate(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(self.curve)

    def sign(self, private_key: Private, signing_input: bytes) -> bytes:
        # RFC 6979: a nonce that repeats, or is a little biased, gives the private key away.
        key, scheme = cast("ec.EllipticCurvePrivateKey", private_key), _deterministic(self.hash)
        r, s = decode_dss_signature(key.sign(signing_input, scheme))
        return r.to_bytes(self.half, "big") + s.to_bytes(self.half, "big")

    def signature_size(self, _key: Public, /) -> int:
        return 2 * self.half

    def _check(self, public_key: Public, signature: bytes, signing_input: bytes) -> None:
        half = self.half
        if len(signature) != 2 * half:
            raise ValueError("wrong length")
        r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        # Zeros verify anything in implementations that forget this (CVE-2022-21449).
        if not r or not s:
            raise ValueError("r or s is zero")
        cast("ec.EllipticCurvePublicKey", public_key).verify(encode_dss_signature(r, s), signing_input, self.scheme)


@dataclass(frozen=True, slots=True)
class _Ed25519(Algorithm):
    """RFC 8037 §3.1, under the label of RFC 9864 and under the older one."""

    def generate(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.generate()

    def sign(self, private_key: Private, signing_input: bytes) -> bytes:
        return cast("ed25519.Ed25519PrivateKey", private_key).sign(signing_input)

    def signature_size(self, _key: Public, /) -> int:
        return 64

    def _check(self, public_key: Public, signature: bytes, signing_input: bytes) -> None:
        cast("ed25519.Ed25519PublicKey", public_key).verify(signature, signing_input)


@dataclass(frozen=True, slots=True)
class _RSA(Algorithm):
    """RFC 7518 §3.3 (PKCS #1 v1.5) and §3.5 (PSS)."""

    hash: hashes.HashAlgorithm
    padding: padding.AsymmetricPadding

    def generate(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, RSA_BITS)

    def sign(self, private_key: Private, signing_input: bytes) -> bytes:
        return cast("rsa.RSAPrivateKey", private_key).sign(signing_input, self.padding, self.hash)

    def signature_size(self, public_key: Public, /) -> int:
        return (cast("rsa.RSAPublicKey", public_key).key_size + 7) // 8

    def _check(self, public_key: Public, signature: bytes, signing_input: bytes) -> None:
        if len(signature) != self.signature_size(public_key):
            raise ValueError("wrong length")
        cast("rsa.RSAPublicKey", public_key).verify(signature, signing_input, self.padding, self.hash)


@dataclass(frozen=True, slots=True)
class MLDSA(Algorithm):
    """RFC 9964: FIPS 204 with an empty context string."""

    private: type[MLDSAPrivate]
    public: type[MLDSAPublic]
    size: int

    def generate(self) -> MLDSAPrivate:
        return self.private.generate()

    def sign(self, private_key: Private, signing_input: bytes) -> bytes:
        return cast("MLDSAPrivate", private_key).sign(signing_input)

    def signature_size(self, _key: Public, /) -> int:
        return self.size

    def _check(self, public_key: Public, signature: bytes, signing_input: bytes) -> None:
        cast("MLDSAPublic", public_key).verify(signature, signing_input)


@cache
def _deterministic(hash: type[hashes.HashAlgorithm]) -> ec.ECDSA:
    """Made when first needed: an OpenSSL that cannot sign so (before 3.2) can still verify."""
    return ec.ECDSA(hash(), deterministic_signing=True)


def _ecdsa(name: str, crv: str, curve: ec.EllipticCurve, hash: type[hashes.HashAlgorithm]) -> _ECDSA:
    return _ECDSA(name, "EC", crv, curve, hash, (curve.key_size + 7) // 8, ec.ECDSA(hash()))


def _pss(name: str, hash: hashes.HashAlgorithm) -> _RSA:
    # RFC 7518 §3.5: the salt is as long as the hash, and MGF1 uses the same hash.
    return _RSA(name, "RSA", None, hash, padding.PSS(mgf=padding.MGF1(hash), salt_length=hash.digest_size))


ALGORITHMS: Final[Mapping[str, Algorithm]] = MappingProxyType(
    {
        algorithm.name: algorithm
        for algorithm in (
            _ecdsa("ES256", "P-256", ec.SECP256R1(), hashes.SHA256),
            _ecdsa("ES384", "P-384", ec.SECP384R1(), hashes.SHA384),
            _ecdsa("ES512", "P-521", ec.SECP521R1(), hashes.SHA512),
            _Ed25519("Ed25519", "OKP", "Ed25519"),
            _Ed25519("EdDSA", "OKP", "Ed25519"),
            _pss("PS256", hashes.SHA256()),
            _pss("PS384", hashes.SHA384()),
            _pss("PS512", hashes.SHA512()),
            _RSA("RS256", "RSA", None, hashes.SHA256(), padding.PKCS1v15()),
            _RSA("RS384", "RSA", None, hashes.SHA384(), padding.PKCS1v15()),
            _RSA("RS512", "RSA", None, hashes.SHA512(), padding.PKCS1v15()),
            MLDSA("ML-DSA-44", "AKP", None, mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, 2420),
            MLDSA("ML-DSA-65", "AKP", None, mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, 3309),
            MLDSA("ML-DSA-87", "AKP", None, mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, 4627),
        )
    }
)
