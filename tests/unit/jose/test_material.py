"""Public key material: one spelling, on the curve, and strong enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519

from signedmsg._jose import base64url
from signedmsg._jose.edwards import reason_to_refuse
from signedmsg._jose.jwk import PublicKey
from signedmsg.errors import InvalidKeyError
from tests.unit.jose.samples import public_jwk, refused, signing_key, spki_pem

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def ec_public(curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    return ec.generate_private_key(curve).public_key()


def flipped(text: object) -> str:
    data = bytearray(base64url.decode(str(text)))
    data[-1] ^= 1
    return base64url.encode(bytes(data))


def resized(text: object, *, lead: bytes = b"", cut: int = 0) -> str:
    return base64url.encode(lead + base64url.decode(str(text))[cut:])


@pytest.mark.parametrize(
    ("alg", "member"),
    [
        ("ES256", "crv"),
        ("ES256", "x"),
        ("ES256", "y"),
        ("Ed25519", "crv"),
        ("Ed25519", "x"),
        ("RS256", "n"),
        ("RS256", "e"),
        ("ML-DSA-44", "pub"),
    ],
)
def test_a_missing_member_is_named(alg: str, member: str) -> None:
    assert str(refused(public_jwk(alg, member))).startswith(f"{member}: ")


@pytest.mark.parametrize(
    ("alg", "member"),
    [("ES256", "x"), ("ES256", "y"), ("Ed25519", "x"), ("RS256", "n"), ("RS256", "e"), ("ML-DSA-44", "pub")],
)
@pytest.mark.parametrize("value", ["", "A", "AA==", "A+A/", " AAA", "AB", 7, None, ["AA"], {"x": 1}, True, "\u00e9"])
def test_a_member_that_is_not_canonical_base64url_is_refused(alg: str, member: str, value: object) -> None:
    refused(public_jwk(alg, **{member: value}))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize("member", ["x", "y"])
def test_an_off_curve_point_is_refused(alg: str, member: str) -> None:
    assert "curve" in str(refused(public_jwk(alg, **{member: flipped(public_jwk(alg)[member])})))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512"])
@pytest.mark.parametrize("member", ["x", "y"])
@pytest.mark.parametrize("change", ["a leading zero", "one octet short"])
def test_a_coordinate_of_another_length_is_refused(alg: str, member: str, change: str) -> None:
    text = public_jwk(alg)[member]
    other = resized(text, lead=b"\x00") if change == "a leading zero" else resized(text, cut=1)
    assert "octets" in str(refused(public_jwk(alg, **{member: other})))


def test_a_coordinate_beyond_the_field_is_refused() -> None:
    refused(public_jwk("ES256", x=base64url.encode(b"\xff" * 32)))


def test_the_point_of_zeros_is_refused() -> None:
    refused(public_jwk("ES256", x=base64url.encode(bytes(32)), y=base64url.encode(bytes(32))))


@pytest.mark.parametrize("crv", ["P-384", "P-521", "secp256k1", "p-256", "", None, 256, ["P-256"]])
def test_a_curve_that_is_not_the_points_is_refused(crv: object) -> None:
    refused(public_jwk("ES256", "alg", crv=crv))


@pytest.mark.parametrize("crv", ["X25519", "X448", "Ed448", "ed25519", None])
def test_the_other_okp_curves_are_refused(crv: object) -> None:
    assert "crv" in str(refused(public_jwk("Ed25519", "alg", crv=crv)))


def test_an_ed25519_point_that_is_not_on_the_curve_is_refused() -> None:
    off_curve = next(
        y for y in range(2, 100) if reason_to_refuse(y.to_bytes(32, "little")) == "the point is not on the curve"
    )
    assert "curve" in str(refused(public_jwk("Ed25519", x=base64url.encode(off_curve.to_bytes(32, "little")))))


@pytest.mark.parametrize("y", range(2**255 - 19, 2**255))
@pytest.mark.parametrize("sign", [0, 1 << 255])
def test_every_ed25519_point_written_with_y_beyond_the_field_is_refused(y: int, sign: int) -> None:
    assert reason_to_refuse((y | sign).to_bytes(32, "little")) == "the point is not in its canonical form"


def test_no_honest_ed25519_key_is_refused() -> None:
    keys = [ed25519.Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32).public_key() for i in range(64)]
    assert [reason_to_refuse(key.public_bytes_raw()) for key in keys] == [None] * 64


@pytest.mark.parametrize("size", [31, 33])
def test_an_ed25519_key_of_another_length_is_refused(size: int) -> None:
    assert "32 octets" in str(refused(public_jwk("Ed25519", x=base64url.encode(b"\x07" * size))))


def modulus(bits: int) -> str:
    return base64url.encode(((1 << bits) - 1).to_bytes((bits + 7) // 8, "big"))


@pytest.mark.parametrize("bits", [1024, 2040, 2047, 4097, 4104])
def test_an_rsa_key_of_other_than_2048_to_4096_bits_is_refused(bits: int) -> None:
    assert "bits" in str(refused(public_jwk("RS256", n=modulus(bits))))


@pytest.mark.parametrize("bits", [2048, 2049, 4096])
def test_an_rsa_key_of_2048_to_4096_bits_is_accepted(bits: int) -> None:
    assert PublicKey.from_jwk(public_jwk("RS256", "kid", n=modulus(bits))).alg == "RS256"


def test_a_huge_rsa_modulus_is_refused() -> None:
    assert "bits" in str(refused(public_jwk("RS256", n="A" * 100_000 + "_w")))
    assert "bits" in str(refused(public_jwk("RS256", n="_" * 100_000)))


def test_an_even_rsa_modulus_is_refused() -> None:
    assert "even" in str(refused(public_jwk("RS256", n=base64url.encode(b"\xff" * 255 + b"\xfe"))))


def test_a_leading_zero_in_the_rsa_modulus_is_tolerated_and_not_kept() -> None:
    padded = PublicKey.from_jwk(public_jwk("RS256", n=resized(public_jwk("RS256")["n"], lead=b"\x00")))
    assert padded == signing_key("RS256").public
    assert padded.to_jwk() == public_jwk("RS256")


@pytest.mark.parametrize("e", ["Aw", "AQ", "AAAB", "AAEAAQ", "AQAC", "EQ", "AAABAAE"])
def test_an_rsa_exponent_other_than_65537_is_refused(e: str) -> None:
    assert str(refused(public_jwk("RS256", e=e))).startswith("e: ")


@pytest.mark.parametrize("alg", ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
@pytest.mark.parametrize("change", ["a leading zero", "one octet short"])
def test_an_ml_dsa_key_of_another_length_is_refused(alg: str, change: str) -> None:
    text = public_jwk(alg)["pub"]
    refused(public_jwk(alg, pub=resized(text, lead=b"\x00") if change == "a leading zero" else resized(text, cut=1)))


WEAK: dict[str, tuple[Callable[[], PublicKeyTypes], str]] = {
    "RSA of 1024 bits": (lambda: rsa.generate_private_key(65537, 1024).public_key(), "bits"),
    "RSA with e = 3": (lambda: rsa.generate_private_key(3, 2048).public_key(), "65537"),
    "secp256k1": (lambda: ec_public(ec.SECP256K1()), "secp256k1"),
    "P-224": (lambda: ec_public(ec.SECP224R1()), "secp224r1"),
    "brainpool": (lambda: ec_public(ec.BrainpoolP256R1()), "brainpool"),
    "DSA": (lambda: dsa.generate_private_key(1024).public_key(), "type"),
    "Ed448": (lambda: ed448.Ed448PrivateKey.generate().public_key(), "type"),
    "X25519": (lambda: x25519.X25519PrivateKey.generate().public_key(), "type"),
    "a low-order point": (lambda: ed25519.Ed25519PublicKey.from_public_bytes(bytes([1]) + bytes(31)), "low order"),
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_or_foreign_key_in_pem_is_refused(kind: str) -> None:
    make, reason = WEAK[kind]
    with pytest.raises(InvalidKeyError, match=reason):
        PublicKey.from_pem(spki_pem(make()), alg="RS256" if "RSA" in kind else None)
