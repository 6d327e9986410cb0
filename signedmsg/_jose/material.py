"""Public key material: JWK members <-> keys of `cryptography`; weak keys are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signedmsg._jose import base64url
from signedmsg._jose.algorithms import ALGORITHMS, MLDSA
from signedmsg._jose.edwards import reason_to_refuse
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signedmsg._jose.algorithms import Public

CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_CRV: Final = {curve.name: crv for crv, curve in CURVES.items()}
_MIN_RSA_BITS: Final = 2048
_MAX_RSA_BITS: Final = 4096
_RSA_EXPONENT: Final = 65537


def octets(jwk: Mapping[str, object], name: str, size: int | None = None) -> bytes:
    """Return the octets of a base64url member, of exactly `size` where it is given."""
    text = jwk.get(name)
    if not isinstance(text, str) or not text:
        raise InvalidKeyError(f"{name}: expected a base64url string")
    try:
        data = base64url.decode(text)
    except ValueError as error:
        raise InvalidKeyError(f"{name}: {error}") from None
    if size is not None and len(data) != size:
        raise InvalidKeyError(f"{name}: expected {size} octets, got {len(data)}")
    return data


def curve_of(jwk: Mapping[str, object]) -> ec.EllipticCurve:
    """Return the curve that an EC key names."""
    crv = jwk.get("crv")
    if not isinstance(crv, str) or crv not in CURVES:
        raise InvalidKeyError(f"crv: expected one of {', '.join(CURVES)}")
    return CURVES[crv]


def check_okp(jwk: Mapping[str, object]) -> None:
    """Refuse the other curves of RFC 8037: X25519 and X448 agree on keys, they sign nothing."""
    if jwk.get("crv") != "Ed25519":
        raise InvalidKeyError("crv: expected Ed25519")


def ml_dsa_of(jwk: Mapping[str, object]) -> MLDSA:
    """Return the algorithm that an AKP key names; without one it has no meaning (RFC 9964 §3)."""
    alg = jwk.get("alg")
    algorithm = ALGORITHMS.get(alg) if isinstance(alg, str) else None
    if not isinstance(algorithm, MLDSA):
        raise InvalidKeyError("alg: an AKP key needs ML-DSA-44, ML-DSA-65 or ML-DSA-87")
    return algorithm


def _load_ec(jwk: Mapping[str, object]) -> Public:
    curve = curve_of(jwk)
    # RFC 7518 §6.2.1.2: always the full length, so that one point has one spelling.
    size = (curve.key_size + 7) // 8
    x, y = octets(jwk, "x", size), octets(jwk, "y", size)
    return ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), curve).public_key()


def _load_okp(jwk: Mapping[str, object]) -> Public:
    check_okp(jwk)
    return ed25519.Ed25519PublicKey.from_public_bytes(octets(jwk, "x", 32))


def _load_rsa(jwk: Mapping[str, object]) -> Public:
    n, e = int.from_bytes(octets(jwk, "n"), "big"), int.from_bytes(octets(jwk, "e", 3), "big")
    # Before `cryptography` sees it: numbers of any size would cost time there.
    _check_rsa(n, e)
    return rsa.RSAPublicNumbers(e, n).public_key()


def _load_akp(jwk: Mapping[str, object]) -> Public:
    return ml_dsa_of(jwk).public.from_public_bytes(octets(jwk, "pub"))


_LOADERS: Final[Mapping[str, Callable[[Mapping[str, object]], Public]]] = {
    "EC": _load_ec,
    "OKP": _load_okp,
    "RSA": _load_rsa,
    "AKP": _load_akp,
}
KEY_TYPES: Final = frozenset(_LOADERS)


def load_public(jwk: Mapping[str, object]) -> Public:
    """Return the public key that the members of a JWK describe.

    Raises:
        InvalidKeyError: a member is missing or malformed, or the key is none.
    """
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _LOADERS:
        raise InvalidKeyError(f"kty: expected one of {', '.join(sorted(KEY_TYPES))}")
    try:
        return _LOADERS[kty](jwk)
    except (UnsupportedAlgorithm, ValueError) as error:
        if isinstance(error, InvalidKeyError):
            raise
        raise InvalidKeyError(f"the members are no {kty} public key: {error}") from None


def public_members(key: object) -> dict[str, str]:
    """Return the members that RFC 7638 hashes, in canonical form. The gate for every key.

    Raises:
        InvalidKeyError: the key is weak, or of a kind that is not used here.
    """
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ec_members(key)
    if isinstance(key, ed25519.Ed25519PublicKey):
        encoded = key.public_bytes_raw()
        reason = reason_to_refuse(encoded)
        if reason is not None:
            raise InvalidKeyError(f"x: {reason}")
        return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(encoded)}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        _check_rsa(numbers.n, numbers.e)
        return {"kty": "RSA", "n": integer(numbers.n), "e": integer(numbers.e)}
    for algorithm in ALGORITHMS.values():
        if isinstance(algorithm, MLDSA) and isinstance(key, algorithm.public):
            return {"kty": "AKP", "alg": algorithm.name, "pub": base64url.encode(key.public_bytes_raw())}
    raise InvalidKeyError("the key is of a type that is not used here; use EC, Ed25519, RSA or ML-DSA")


def _ec_members(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    crv = _CRV.get(key.curve.name)
    if crv is None:
        raise InvalidKeyError(f"crv: the curve {key.curve.name} is not used here; use {', '.join(CURVES)}")
    numbers, size = key.public_numbers(), (key.curve.key_size + 7) // 8
    return {"kty": "EC", "crv": crv, "x": integer(numbers.x, size), "y": integer(numbers.y, size)}


def _check_rsa(n: int, e: int) -> None:
    if e != _RSA_EXPONENT:
        raise InvalidKeyError(f"e: expected {_RSA_EXPONENT}")
    if not _MIN_RSA_BITS <= n.bit_length() <= _MAX_RSA_BITS:
        raise InvalidKeyError(f"n: expected {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits, got {n.bit_length()}")
    if n % 2 == 0:
        raise InvalidKeyError("n: an even number is no modulus")


def integer(value: int, size: int | None = None) -> str:
    """Return an integer as base64url of its octets, as few as it needs or exactly `size`."""
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
