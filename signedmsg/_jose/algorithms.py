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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MLDSAPrivate: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MLDSAPublic: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | MLDSAPrivate
Public: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey | MLDSAPublic

Check: TypeAlias = "Callable[[bytes, bytes], object]"
"""(signature, signing input) -> nothing, if the one is over the other."""

DEFAULT_ALGORITHM: Final = "ES256"
RSA_BITS: Final = 3072

# The largest half of which two make a DER sequence of less than 128 octets, whose length is one octet.
_SHORT: Final = 60
# What `cryptography` raises for a signature it cannot even try; to a verifier all are the same.
REFUSALS: Final = (InvalidSignature, UnsupportedAlgorithm, InternalError, ValueError, TypeError, OverflowError)


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
    def signer(self, private_key: Private, /) -> Callable[[bytes], bytes]:
        """Return what makes raw JWS signatures over a signing input with this key."""

    @abstractmethod
    def signature_size(self, public_key: Public, /) -> int:
        """Return how many octets a signature under this key has."""

    @abstractmethod
    def checker(self, public_key: Public, /) -> Check:
        """Return what checks signatures under this key: it raises one of `REFUSALS` unless one holds."""


@dataclass(frozen=True, slots=True)
class _ECDSA(Algorithm):
    """RFC 7518 §3.4: r and s in full length, one after the other, never DER."""

    curve: ec.EllipticCurve
    hash: type[hashes.HashAlgorithm]
    half: int
    scheme: ec.ECDSA

    def generate(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(self.curve)

    def signer(self, private_key: Private, /) -> Callable[[bytes], bytes]:
        sign, half, hash = cast("ec.EllipticCurvePrivateKey", private_key).sign, self.half, self.hash
        # RFC 6979: a nonce that repeats, or is a little biased, gives the private key away.
        return lambda signing_input: _fixed(sign(signing_input, _deterministic(hash)), half)

    def signature_size(self, _key: Public, /) -> int:
        return 2 * self.half

    def checker(self, public_key: Public, /) -> Check:
        verify, scheme, half = cast("ec.EllipticCurvePublicKey", public_key).verify, self.scheme, self.half
        frames = _frames(half)

        def check(signature: bytes, signing_input: bytes) -> None:
            if len(signature) != 2 * half:
                raise ValueError("wrong length")
            r, s = signature[:half], signature[half:]
            if frames and r[0] and s[0]:
                head, middle = frames[r[0] >> 7][s[0] >> 7]
                verify(head + r + middle + s, signing_input, scheme)
            else:
                verify(_der(int.from_bytes(r, "big"), int.from_bytes(s, "big")), signing_input, scheme)

        return check


@dataclass(frozen=True, slots=True)
class _Ed25519(Algorithm):
    """RFC 8037 §3.1, under the label of RFC 9864 and under the older one."""

    def generate(self) -> ed25519.Ed25519PrivateKey:
        return ed25519.Ed25519PrivateKey.generate()

    def signer(self, private_key: Private, /) -> Callable[[bytes], bytes]:
        return cast("ed25519.Ed25519PrivateKey", private_key).sign

    def signature_size(self, _key: Public, /) -> int:
        return 64

    def checker(self, public_key: Public, /) -> Check:
        return cast("ed25519.Ed25519PublicKey", public_key).verify


@dataclass(frozen=True, slots=True)
class _RSA(Algorithm):
    """RFC 7518 §3.3 (PKCS #1 v1.5) and §3.5 (PSS)."""

    hash: hashes.HashAlgorithm
    padding: padding.AsymmetricPadding

    def generate(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, RSA_BITS)

    def signer(self, private_key: Private, /) -> Callable[[bytes], bytes]:
        sign = cast("rsa.RSAPrivateKey", private_key).sign
        return lambda signing_input: sign(signing_input, self.padding, self.hash)

    def signature_size(self, public_key: Public, /) -> int:
        return (cast("rsa.RSAPublicKey", public_key).key_size + 7) // 8

    def checker(self, public_key: Public, /) -> Check:
        verify, padding, hash = cast("rsa.RSAPublicKey", public_key).verify, self.padding, self.hash
        size = self.signature_size(public_key)

        def check(signature: bytes, signing_input: bytes) -> None:
            if len(signature) != size:
                raise ValueError("wrong length")
            verify(signature, signing_input, padding, hash)

        return check


@dataclass(frozen=True, slots=True)
class MLDSA(Algorithm):
    """RFC 9964: FIPS 204 with an empty context string."""

    private: type[MLDSAPrivate]
    public: type[MLDSAPublic]
    size: int

    def generate(self) -> MLDSAPrivate:
        return self.private.generate()

    def signer(self, private_key: Private, /) -> Callable[[bytes], bytes]:
        return cast("MLDSAPrivate", private_key).sign

    def signature_size(self, _key: Public, /) -> int:
        return self.size

    def checker(self, public_key: Public, /) -> Check:
        return cast("MLDSAPublic", public_key).verify


def _fixed(der: bytes, half: int) -> bytes:
    """Return r and s in full length from what OpenSSL writes: 30 size 02 size r 02 size s (X.690 §8.3, §8.9)."""
    if half > _SHORT:
        r, s = decode_dss_signature(der)
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
    end = 4 + der[3]
    # A zero stands before a number whose first bit is set, and none where it has fewer octets.
    return der[4:end][-half:].rjust(half, b"\x00") + der[end + 2 :][-half:].rjust(half, b"\x00")


def _der(r: int, s: int) -> bytes:
    """Return a signature as OpenSSL reads it."""
    # Zeros verify anything in implementations that forget this (CVE-2022-21449).
    if not r or not s:
        raise ValueError("r or s is zero")
    return encode_dss_signature(r, s)


def _frames(half: int) -> tuple[tuple[tuple[bytes, bytes], ...], ...]:
    """Return what DER puts before r and before s, by their first bits; both fill their half, as nearly all do.

    X.690 §8.3.3: a number whose first bit is set has a zero before it. Nothing for P-521, of which
    no number fills its half.
    """
    if half > _SHORT:
        return ()
    size = [bytes((2, half + bit)) + bytes(bit) for bit in (0, 1)]
    return tuple(tuple((bytes((0x30, 2 * half + 4 + r + s)) + size[r], size[s]) for s in (0, 1)) for r in (0, 1))


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
