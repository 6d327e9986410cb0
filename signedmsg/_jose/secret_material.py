"""Private key material: JWK members <-> keys of `cryptography`. No error text holds a member's value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from signedmsg._jose import base64url
from signedmsg._jose.material import check_okp, curve_of, integer, load_public, ml_dsa_of, octets, public_members
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from signedmsg._jose.algorithms import Private

# RFC 7518 §6.2.2, §6.3.2, §6.4.1; RFC 8037 §2; RFC 9964 §3.
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_RSA_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi")


def _load_ec(jwk: Mapping[str, object]) -> Private:
    curve = curve_of(jwk)
    d = octets(jwk, "d", (curve.key_size + 7) // 8)
    return ec.derive_private_key(int.from_bytes(d, "big"), curve)


def _load_okp(jwk: Mapping[str, object]) -> Private:
    check_okp(jwk)
    return ed25519.Ed25519PrivateKey.from_private_bytes(octets(jwk, "d", 32))


def _load_rsa(jwk: Mapping[str, object]) -> Private:
    if "oth" in jwk:
        raise InvalidKeyError("oth: RSA keys of more than two primes are not used here")
    public = load_public(jwk)
    if not isinstance(public, rsa.RSAPublicKey):
        raise InvalidKeyError("kty: expected RSA")
    d, p, q, dp, dq, qi = (int.from_bytes(octets(jwk, name), "big") for name in _RSA_PRIVATE)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public.public_numbers()).private_key()


def _load_akp(jwk: Mapping[str, object]) -> Private:
    # RFC 9964 §3: the seed, never the expanded key.
    return ml_dsa_of(jwk).private.from_seed_bytes(octets(jwk, "priv", 32))


_LOADERS: Final[Mapping[str, Callable[[Mapping[str, object]], Private]]] = {
    "EC": _load_ec,
    "OKP": _load_okp,
    "RSA": _load_rsa,
    "AKP": _load_akp,
}


def load_private(jwk: Mapping[str, object]) -> Private:
    """Return the private key that a JWK describes; its public members must belong to it.

    Raises:
        InvalidKeyError: with a reason that holds no member's value.
    """
    public = public_members(load_public(jwk))
    if PRIVATE_MEMBERS.isdisjoint(jwk):
        raise InvalidKeyError("a private key is needed, this JWK is a public one")
    try:
        key = _LOADERS[public["kty"]](jwk)
    except InvalidKeyError:
        raise
    except (UnsupportedAlgorithm, ValueError):
        raise InvalidKeyError("the private members are no valid private key") from None
    if public_members(key.public_key()) != public:
        raise InvalidKeyError("the public members belong to another private key")
    return key


def private_members(key: Private) -> dict[str, str]:
    """Return the members that make a public JWK a private one: the secret itself."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"d": integer(key.private_numbers().private_value, (key.curve.key_size + 7) // 8)}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        return {name: integer(value) for name, value in zip(_RSA_PRIVATE, values, strict=True)}
    name = "d" if isinstance(key, ed25519.Ed25519PrivateKey) else "priv"
    return {name: base64url.encode(key.private_bytes_raw())}
