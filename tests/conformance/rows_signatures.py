"""Wrong in the signature: every way to spoil one, for every algorithm."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from .table import Row, trusting
from .tokens import (
    ALL_ALGORITHMS,
    NOW,
    Key,
    b64,
    ecdsa,
    envelope,
    header_of,
    key,
    number,
    payload_of,
    sign,
    signed,
    unb64,
)

ORDERS: Final = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}
# The order of the Ed25519 group: S and S + L are the same number modulo L (RFC 8032 §5.1.7).
L: Final = 2**252 + 27742317777372353535851937790883648493


def spoilt(signer: Key, signature: bytes) -> str:
    """Put another signature on a good token."""
    return f"{envelope(signer=signer).rpartition('.')[0]}.{b64(signature)}"


def signature_of(token: str) -> bytes:
    return unb64(token.rpartition(".")[2])


def flipped(signature: bytes, at: int) -> bytes:
    return signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]


def general(alg: str) -> dict[str, bytes]:
    """Every algorithm's signature, wrong in ways that need no knowledge of it."""
    good = signature_of(envelope(signer=key(alg)))
    return {
        "first-bit": flipped(good, 0),
        "last-bit": flipped(good, -1 % len(good)),
        "cut-short": good[:-1],
        "lengthened": good + b"\0",
        "all-zero": bytes(len(good)),
        "all-ones": b"\xff" * len(good),
        "of-another-message": signature_of(envelope({"exp": NOW + 61}, signer=key(alg))),
        "of-another-key": signature_of(envelope(signer=key(alg, 2))),
        "twice": good + good,
    }


def other_hash(alg: str) -> bytes:
    """Sign with the key of one algorithm and the hash of another."""
    name = {"ES256": "ES384", "ES384": "ES512", "ES512": "ES256"}[alg]
    return sign(key(alg).private, name, signing_input(alg))


def elliptic(alg: str) -> dict[str, bytes]:
    good = signature_of(envelope(signer=key(alg)))
    half, n = len(good) // 2, ORDERS[alg]
    r, s = int.from_bytes(good[:half], "big"), int.from_bytes(good[half:], "big")
    return {
        "r37-der": encode_dss_signature(r, s),
        "r37-halves-without-leading-zeros": number(1).encode() + good[half:],
        "r37-zero-octet-before-s": good[:half] + b"\0" + good[half:],
        "r37-zero-octet-before-r": b"\0" + good,
        "r37-of-another-hash": other_hash(alg),
        "r38-r-zero": ecdsa(0, s, half),
        "r38-s-zero": ecdsa(r, 0, half),
        "r38-both-zero": ecdsa(0, 0, half),
        "r38-r-is-n": ecdsa(n, s, half),
        "r38-s-is-n": ecdsa(r, n, half),
        "r38-r-one-and-s-one": ecdsa(1, 1, half),
        "r38-halves-swapped": ecdsa(s, r, half),
        "r38-largest-r": b"\xff" * half + good[half:],
        "r38-s-negated-in-two-s-complement": ecdsa(r, (1 << 8 * half) - s, half),
    }


def edwards(alg: str) -> dict[str, bytes]:
    good = signature_of(envelope(signer=key(alg)))
    s = int.from_bytes(good[32:], "little")
    return {
        "r39-s-plus-l": good[:32] + (s + L).to_bytes(32, "little"),
        "r39-s-with-high-bits": good[:63] + bytes([good[63] | 0xE0]),
        "r39-r-of-low-order": b"\1" + bytes(31) + good[32:],
        "r39-identity-and-zero": b"\1" + bytes(63),
        "r39-halves-swapped": good[32:] + good[:32],
    }


def signing_input(alg: str) -> bytes:
    return envelope(signer=key(alg)).rpartition(".")[0].encode()


def pss(salt: int, mgf: hashes.HashAlgorithm, hash: hashes.HashAlgorithm) -> bytes:
    return bytes(key("PS256").private.sign(signing_input("PS256"), padding.PSS(padding.MGF1(mgf), salt), hash))


def pkcs1(hash: hashes.HashAlgorithm) -> bytes:
    return bytes(key("RS256").private.sign(signing_input("RS256"), padding.PKCS1v15(), hash))


SHA1, SHA256, SHA384 = hashes.SHA1(), hashes.SHA256(), hashes.SHA384()
RSA: Final[dict[str, tuple[str, bytes]]] = {
    "rfc7518-3.5-without-salt": ("PS256", pss(0, SHA256, SHA256)),
    "rfc7518-3.5-salt-of-20-octets": ("PS256", pss(20, SHA256, SHA256)),
    "rfc7518-3.5-largest-salt": ("PS256", pss(222, SHA256, SHA256)),
    "rfc7518-3.5-mask-of-another-hash": ("PS256", pss(32, SHA1, SHA256)),
    "rfc7518-3.5-of-another-hash": ("PS256", pss(32, SHA256, SHA384)),
    "rfc7518-3.5-signed-the-older-way": ("PS256", sign(key("PS256").private, "RS256", signing_input("PS256"))),
    "rfc7518-3.3-of-another-hash": ("RS256", pkcs1(SHA384)),
    "rfc7518-3.3-of-sha-1": ("RS256", pkcs1(SHA1)),
    "rfc7518-3.3-signed-the-newer-way": ("RS256", sign(key("RS256").private, "PS256", signing_input("RS256"))),
    "rfc7518-3.3-signature-one": ("RS256", (1).to_bytes(256, "big")),
}
CONTEXT: Final = key("ML-DSA-65")
FOR_CONTEXT: Final = envelope(signer=CONTEXT).rpartition(".")[0]
KEY: Final = key("ES256")
SPACED: Final = header_of(KEY).replace(b":", b": ")
HEAD, _, SIGNATURE = envelope().split(".")

ROWS: Final = (
    *(
        Row(f"r45-{alg.lower()}-{how}", "invalid_signature", spoilt(key(alg), signature), trusting(key(alg)))
        for alg in ALL_ALGORITHMS
        for how, signature in general(alg).items()
    ),
    *(
        Row(f"{how}-{alg.lower()}", "invalid_signature", spoilt(key(alg), signature), trusting(key(alg)))
        for alg in ORDERS
        for how, signature in elliptic(alg).items()
    ),
    *(
        Row(f"{how}-{alg.lower()}", "invalid_signature", spoilt(key(alg), signature), trusting(key(alg)))
        for alg in ("Ed25519", "EdDSA")
        for how, signature in edwards(alg).items()
    ),
    *(
        Row(f"{how}-{alg.lower()}", "invalid_signature", spoilt(key(alg), signature), trusting(key(alg)))
        for how, (alg, signature) in RSA.items()
    ),
    Row(
        "r43-ml-dsa-with-a-context",
        "invalid_signature",
        f"{FOR_CONTEXT}.{b64(CONTEXT.private.sign(FOR_CONTEXT.encode(), b'context'))}",
        trusting(CONTEXT),
    ),
    Row(
        "r44-signature-over-the-header-encoded-anew",
        "invalid_signature",
        f"{b64(SPACED)}.{envelope().partition('.')[2]}",
    ),
    Row(
        "r45-payload-swapped",
        "invalid_signature",
        f"{HEAD}.{b64(payload_of(message={'data': {'invoice': 1}}))}.{SIGNATURE}",
    ),
)
ACCEPTED: Final = (
    *(Row(f"r48-{alg.lower()}", "", envelope(signer=key(alg)), trusting(key(alg))) for alg in ALL_ALGORITHMS),
    Row("r44-header-with-white-space", "", signed(SPACED, payload_of(), KEY)),
)
