"""Tokens made by hand over raw `cryptography`, so that no mistake of the package can cancel itself out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOW: Final = 1_800_000_000
ISSUER: Final = "https://billing.example"
OTHER_ISSUER: Final = "https://payroll.example"
AUDIENCE: Final = "https://shop.example/inbox"
JTI: Final = "3Y4bT9wqR0mUe5Jc1aXkZg"
TYP: Final = "vnd.signedmsg+jwt"
GONE: Final = object()
"""A changed member with this value is left out."""
AS_IT_IS: Final[Mapping[str, object]] = {}

Private = Any
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True)
class Key:
    """A private key, its one algorithm and its JWK, all written down by hand."""

    alg: str
    private: Private
    members: Mapping[str, str]
    kid: str

    def sign(self, data: bytes) -> bytes:
        return sign(self.private, self.alg, data)

    def jwk(self, **more: object) -> dict[str, Any]:
        return changed({**self.members, "kid": self.kid, "use": "sig", "alg": self.alg}, more)


def sign(private: Private, alg: str, data: bytes) -> bytes:
    """Return a JWS signature (RFC 7518 §3, RFC 8037 §3.1, RFC 9964 §4)."""
    if alg.startswith("ES"):
        half = (private.key_size + 7) // 8
        r, s = decode_dss_signature(private.sign(data, ec.ECDSA(_HASHES[alg[2:]])))
        return ecdsa(r, s, half)
    if alg.startswith("PS"):
        digest = _HASHES[alg[2:]]
        return bytes(private.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest))
    if alg.startswith("RS"):
        return bytes(private.sign(data, padding.PKCS1v15(), _HASHES[alg[2:]]))
    return bytes(private.sign(data))


def ecdsa(r: int, s: int, half: int = 32) -> bytes:
    return r.to_bytes(half, "big") + s.to_bytes(half, "big")


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


_CURVES: Final[dict[str, tuple[str, ec.EllipticCurve]]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
    "ES512": ("P-521", ec.SECP521R1()),
}
_ML_DSA: Final[dict[str, Any]] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
ALGORITHMS: Final = (*_CURVES, "Ed25519", "EdDSA", *(f"{kind}{bits}" for kind in ("PS", "RS") for bits in _HASHES))
ALL_ALGORITHMS: Final = (*ALGORITHMS, *_ML_DSA)


@cache
def key(alg: str, number: int = 1) -> Key:
    """Return a key of an algorithm, the same one each time; another number is another key."""
    private: Private
    if alg in _CURVES:
        private = ec.derive_private_key(0xC0FFEE << 64 | number, _CURVES[alg][1])
    elif alg in _ML_DSA:
        private = _ML_DSA[alg].from_seed_bytes(bytes([number]) * 32)
    elif alg in ("Ed25519", "EdDSA"):
        private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    else:
        private = rsa_key(2048, number)
    return named(alg, private)


@cache
def rsa_key(bits: int, _number: int = 1) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def named(alg: str, private: Private, kid: str | None = None) -> Key:
    """Give a private key its JWK members and, unless told otherwise, its thumbprint as kid (RFC 7638)."""
    members = _MEMBERS[_kind(alg)](alg, private.public_key())
    return Key(alg, private, members, kid or b64(sha256(dump(dict(sorted(members.items())))).digest()))


def _kind(alg: str) -> str:
    return "ML" if alg in _ML_DSA else alg[:2]


def _ec(alg: str, public: Any) -> dict[str, str]:
    numbers, size = public.public_numbers(), (public.key_size + 7) // 8
    return {"kty": "EC", "crv": _CURVES[alg][0], "x": number(numbers.x, size), "y": number(numbers.y, size)}


def _ed(alg: str, public: Any) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}


def _rsa(alg: str, public: Any) -> dict[str, str]:
    numbers = public.public_numbers()
    return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}


def _akp(alg: str, public: Any) -> dict[str, str]:
    return {"kty": "AKP", "alg": alg, "pub": b64(public.public_bytes_raw())}


_MEMBERS: Final[dict[str, Callable[[str, Any], dict[str, str]]]] = {
    "ES": _ec,
    "Ed": _ed,
    "PS": _rsa,
    "RS": _rsa,
    "ML": _akp,
}


def changed(members: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not GONE}


MESSAGE: Final = {
    "v": 1,
    "id": "019ab0f2-7c3e-7d11-9b55-3f0a6d2e8c41",
    "type": "invoice.paid",
    "time": "2027-01-15T08:00:00.250000Z",
    "until": NOW + 259_200,
    "data": {"invoice": 42},
}
CLAIMS: Final = {"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60, "jti": JTI}


def signed(header: bytes, payload: bytes, key: Key) -> str:
    """Sign any octets as header and payload."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    return f"{signing_input}.{b64(key.sign(signing_input.encode()))}"


def header_of(key: Key, changes: Mapping[str, object] = AS_IT_IS) -> bytes:
    return dump(changed({"alg": key.alg, "kid": key.kid, "typ": TYP}, changes))


def payload_of(claims: Mapping[str, object] = AS_IT_IS, message: Mapping[str, object] = AS_IT_IS) -> bytes:
    return dump(changed({**CLAIMS, "msg": changed(MESSAGE, message)}, claims))


def envelope(
    claims: Mapping[str, object] = AS_IT_IS,
    message: Mapping[str, object] = AS_IT_IS,
    header: Mapping[str, object] = AS_IT_IS,
    signer: Key | None = None,
) -> str:
    """Return an envelope that is right but for the changes given."""
    signer = signer or key("ES256")
    return signed(header_of(signer, header), payload_of(claims, message), signer)


def plain(
    claims: Mapping[str, object] = AS_IT_IS, header: Mapping[str, object] = AS_IT_IS, signer: Key | None = None
) -> str:
    """Return a plainer JWT, as another library would mint it, but for the changes given."""
    signer = signer or key("ES256")
    payload = dump(changed({**CLAIMS, "amount": 42}, claims))
    return signed(header_of(signer, {"typ": "JWT", **header}), payload, signer)
