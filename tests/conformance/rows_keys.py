"""Wrong in the key: whose it is, for which algorithm, when, and whether it is one at all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from signedmsg import Issuer

from .table import Row, Setup, issuer, trusting
from .tokens import (
    ISSUER,
    NOW,
    OTHER_ISSUER,
    Key,
    b64,
    dump,
    envelope,
    header_of,
    key,
    named,
    payload_of,
    rsa_key,
    signed,
    unb64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY: Final = key("ES256")
STRANGER: Final = key("ES256", 2)
ED: Final = key("Ed25519")


def listing(**members: object) -> Setup:
    return Setup((issuer(KEY.jwk(**members)),))


def low_order() -> list[bytes]:
    """The 14 spellings of the eight points of low order, from the curve's own equation."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    # A point doubles to one with y = 0 where x² = -y²; put into the curve, d·y⁴ + 2y² - 1 = 0.
    root = pow(1 + d, (p + 3) // 8, p)
    root = root if root * root % p == (1 + d) % p else root * pow(2, (p - 1) // 4, p) % p
    eighth = [y for half in (root - 1, -root - 1) for y in _square_roots(half * pow(d, -1, p) % p, p)]
    ys = [0, 1, p - 1, p, p + 1, *eighth]
    return [(y | sign << 255).to_bytes(32, "little") for y in ys for sign in (0, 1)]


def _square_roots(square: int, p: int) -> list[int]:
    root = pow(square, (p + 3) // 8, p)
    if root * root % p != square:
        root = root * pow(2, (p - 1) // 4, p) % p
    return [root, p - root] if root * root % p == square else []


def non_canonical() -> list[bytes]:
    """Second spellings of points: y and y + p are the same number modulo p."""
    return [(2**255 - 19 + y).to_bytes(32, "little") for y in range(2, 19)]


def weak(number: int, point: bytes) -> Row:
    """A key that no set may hold, and the constant signature that one of low order verifies for any message."""
    public = Key("Ed25519", ED.private, {"kty": "OKP", "crv": "Ed25519", "x": b64(point)}, f"weak-{number}")
    token = envelope(header={"kid": public.kid}, signer=ED).rpartition(".")[0]
    return Row(f"r40-weak-key-{number}", "unknown_key", f"{token}.{b64(point + bytes(32))}", trusting(public))


def mismatched(header: str, record: str) -> Row:
    """A token whose header names another algorithm than the key's record, signed as the header says."""
    private = key(record).private
    as_header = Key(header, private, {}, key(record).kid) if header[:2] == record[:2] or "RS" in header else key(header)
    token = signed(header_of(as_header, {"kid": key(record).kid}), payload_of(), as_header)
    return Row(f"r33-{header.lower()}-under-a-key-for-{record.lower()}", "unsupported", token, trusting(key(record)))


MISMATCHES: Final = (
    ("ES256", "Ed25519"),
    ("ES384", "ES256"),
    ("Ed25519", "ES256"),
    ("EdDSA", "Ed25519"),
    ("Ed25519", "EdDSA"),
    ("RS256", "PS256"),
    ("PS256", "RS256"),
    ("PS512", "PS256"),
    ("ML-DSA-44", "ML-DSA-65"),
    ("ML-DSA-65", "ES256"),
)
SMALL: Final = named("RS256", rsa_key(1024))
CUBE: Final = named("RS256", rsa.generate_private_key(3, 2048))
LISTED: Final[dict[str, Mapping[str, object]]] = {
    "r35-use-enc": {"use": "enc"},
    "r35-use-unknown": {"use": "tls"},
    "r35-key-ops-of-a-private-key": {"key_ops": ["sign"]},
    "r35-key-ops-with-derive": {"key_ops": ["verify", "deriveKey"]},
    "r35-key-ops-empty": {"key_ops": []},
    "r35-key-ops-as-a-string": {"key_ops": "verify"},
    "r33-record-for-another-algorithm": {"alg": "ES384"},
    "r19-record-for-hs256": {"alg": "HS256"},
    "r36-x25519-in-a-signing-slot": {"kty": "OKP", "crv": "X25519", "x": b64(bytes(range(32)))},
    "r41-off-curve": {"x": b64(b"\1" * 32)},
    "r41-short-x": {"x": b64(unb64(KEY.members["x"])[1:])},
    "r41-long-x": {"x": b64(b"\0" + unb64(KEY.members["x"]))},
    "r41-compressed": {"y": ""},
    "r41-infinity": {"x": b64(bytes(32)), "y": b64(bytes(32))},
    "r55-private-member-in-the-set": {"d": b64(b"\1" * 32)},
    "r56-symmetric-key": {"kty": "oct", "k": b64(b"secret secret secret secret secret")},
    "r68-times-that-contradict": {"nbf": NOW, "exp": NOW},
}
TIMES: Final = {
    "r68-key-one-second-too-young": ({"nbf": NOW + 31}, "key_not_valid"),
    "r68-key-ended-at-the-last-moment": ({"exp": NOW - 30}, "key_not_valid"),
    "r68-key-ended-long-ago": ({"nbf": 1, "exp": 2}, "key_not_valid"),
}


def from_file(document: object, clock: Callable[[], Callable[[], float]] = lambda: lambda: NOW) -> Setup:
    """Trust what stands in a file that is gone by the time a token comes."""

    def make(kind: type[Any]) -> Any:
        with TemporaryDirectory() as folder:
            path = Path(folder, "keys.json")
            path.write_bytes(dump(document))
            return kind(Issuer(ISSUER, allow=["*"], keys=path), clock=clock(), observe=lambda _: None)

    return Setup(directory=make)


class OneReading:
    """A clock that stands an hour later from its second reading on."""

    def __init__(self) -> None:
        self.read = False

    def __call__(self) -> float:
        before, self.read = self.read, True
        return NOW + 3602 if before else NOW


LISTING: Final = {"keys": [KEY.jwk()]}
REVOKED: Final = {**LISTING, "revoked": [{"kid": KEY.kid, "revoked_at": NOW - 1}]}
SHARED_A, SHARED_B = named("ES256", KEY.private, "shared"), named("ES256", STRANGER.private, "shared")
TWO: Final = Setup((issuer(SHARED_A.jwk()), issuer(SHARED_B.jwk(), id=OTHER_ISSUER)))
ML_DSA: Final = key("ML-DSA-65")

ROWS: Final = (
    *(weak(number, point) for number, point in enumerate(low_order() + non_canonical(), 1)),
    *(mismatched(header, record) for header, record in MISMATCHES),
    *(Row(id, "unknown_key", envelope(), listing(**members)) for id, members in LISTED.items()),
    *(Row(id, code, envelope(), listing(**members)) for id, (members, code) in TIMES.items()),
    Row("r31-unknown-issuer", "unknown_issuer", envelope({"iss": "https://evil.example"})),
    Row(
        "r31-kid-of-another-issuer",
        "unknown_key",
        envelope(signer=STRANGER),
        Setup((issuer(KEY.jwk()), issuer(STRANGER.jwk(), id=OTHER_ISSUER))),
    ),
    Row("r31-one-kid-two-issuers-the-wrong-key", "invalid_signature", envelope(signer=SHARED_B), TWO),
    Row(
        "r31-one-kid-two-issuers-the-other-way",
        "invalid_signature",
        envelope({"iss": OTHER_ISSUER}, signer=SHARED_A),
        TWO,
    ),
    Row(
        "r32-algorithm-not-of-this-issuer", "unsupported", envelope(signer=ED), trusting(KEY, ED, algorithms=["ES256"])
    ),
    Row(
        "r34-one-rsa-key-a-second-algorithm",
        "unsupported",
        envelope(signer=named("RS256", key("PS256").private, "rsa"), header={"alg": "RS256"}),
        trusting(named("PS256", key("PS256").private, "rsa")),
    ),
    Row(
        "r34-one-key-under-two-algorithms",
        "unknown_key",
        envelope(signer=key("PS256")),
        trusting(key("PS256"), named("RS256", key("PS256").private, "another")),
    ),
    Row(
        "r20-eddsa-under-a-key-that-is-not-labelled-so",
        "unsupported",
        envelope(header={"alg": "EdDSA"}, signer=ED),
        trusting(ED),
    ),
    Row(
        "r91-valid-signature-of-an-algorithm-not-accepted",
        "unsupported",
        envelope(signer=key("RS256")),
        trusting(KEY, key("RS256"), algorithms=["ES256", "PS256"]),
    ),
    Row("r42-rsa-key-of-1024-bits", "unknown_key", envelope(signer=SMALL), trusting(SMALL)),
    Row("r42-rsa-key-with-exponent-3", "unknown_key", envelope(signer=CUBE), trusting(CUBE)),
    Row(
        "r43-ml-dsa-public-key-of-another-length",
        "unknown_key",
        envelope(signer=ML_DSA),
        Setup((issuer(ML_DSA.jwk(pub=key("ML-DSA-44").members["pub"])),)),
    ),
    Row(
        "r45-signed-by-a-stranger-under-this-kid",
        "invalid_signature",
        envelope(signer=STRANGER, header={"kid": KEY.kid}),
    ),
    Row(
        "r53-two-keys-of-one-kid",
        "unknown_key",
        envelope(signer=SHARED_A),
        Setup((issuer(SHARED_A.jwk(), SHARED_B.jwk()),)),
    ),
    Row("r68-revoked-key", "key_not_valid", envelope(), from_file(REVOKED)),
    Row("r62-key-directory-stale", "key_unavailable", envelope(), from_file(LISTING, OneReading)),
)
ACCEPTED: Final = (
    Row("r31-one-kid-two-issuers-the-right-key", "", envelope(signer=SHARED_A), TWO),
    Row("r32-algorithm-of-this-issuer", "", envelope(signer=ED), trusting(KEY, ED, algorithms=["Ed25519"])),
    Row("r35-key-ops-with-verify", "", envelope(), listing(key_ops=["verify"])),
    Row(
        "r51-unknown-key-type-beside-a-good-one",
        "",
        envelope(),
        Setup((issuer({"kty": "NEW", "kid": "n"}, KEY.jwk()),)),
    ),
    Row("r68-key-that-another-entry-revokes", "", envelope(), from_file({**LISTING, "revoked": [{"kid": "other"}]})),
    Row("r52-unknown-members-in-a-key", "", envelope(), listing(colour="blue")),
    Row("r68-key-that-begins-at-the-end-of-the-leeway", "", envelope(), listing(nbf=NOW + 30)),
    Row("r68-key-that-ends-within-the-leeway", "", envelope(), listing(exp=NOW - 29)),
)
