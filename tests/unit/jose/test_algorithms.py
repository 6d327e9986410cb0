"""The algorithms: what they sign verifies, and nothing else does."""

from __future__ import annotations

import dataclasses
import typing

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from signedmsg._jose import algorithms
from signedmsg._jose.algorithms import ALGORITHMS, DEFAULT_ALGORITHM
from signedmsg.errors import InvalidSignatureError
from tests.unit.jose.samples import ALL, KINDS, signing_key

MESSAGE = b"eyJhbGciOiJFUzI1NiJ9.e30"
ECDSA = ("ES256", "ES384", "ES512")
HALVES = {"ES256": 32, "ES384": 48, "ES512": 66}
ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    "ES512": (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
}


def verifies(alg: str, signature: object, message: bytes = MESSAGE) -> bool:
    try:
        signing_key(alg).public.verify(typing.cast("bytes", signature), message)
    except InvalidSignatureError:
        return False
    return True


def test_the_table_holds_exactly_the_algorithms_of_the_profile() -> None:
    assert set(ALGORITHMS) == {
        *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
        *("PS256", "PS384", "PS512", "RS256", "RS384", "RS512"),
        *("ML-DSA-44", "ML-DSA-65", "ML-DSA-87"),
    }


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS512", "es256", "ES256K", ""])
def test_neither_none_nor_hmac_nor_another_case_is_in_the_table(alg: str) -> None:
    assert alg not in ALGORITHMS


def test_the_table_cannot_be_added_to() -> None:
    with pytest.raises(TypeError):
        ALGORITHMS["none"] = ALGORITHMS["ES256"]  # type: ignore[index]


def test_an_algorithm_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ALGORITHMS["ES256"].name = "none"  # type: ignore[misc]


def test_new_keys_are_for_es256() -> None:
    assert DEFAULT_ALGORITHM == "ES256"


@pytest.mark.parametrize("alg", ALL)
def test_what_was_signed_verifies(alg: str) -> None:
    assert verifies(alg, signing_key(alg).sign(MESSAGE))


@pytest.mark.parametrize("alg", ALL)
def test_another_message_does_not_verify(alg: str) -> None:
    assert not verifies(alg, signing_key(alg).sign(MESSAGE), MESSAGE + b"x")


@pytest.mark.parametrize("alg", ALL)
def test_a_signature_of_another_key_does_not_verify(alg: str) -> None:
    algorithm = ALGORITHMS[alg]
    other = algorithm.generate()
    assert not verifies(alg, algorithm.signer(other)(MESSAGE))


@pytest.mark.parametrize("alg", ALL)
def test_a_signature_has_the_size_that_is_announced(alg: str) -> None:
    key = signing_key(alg)
    assert len(key.sign(MESSAGE)) == ALGORITHMS[alg].signature_size(key.public._key)


@pytest.mark.parametrize("alg", ALL)
@pytest.mark.parametrize("change", ["empty", "short", "long", "zeros", "ones", "one bit", "leading zero"])
def test_an_altered_signature_does_not_verify(alg: str, change: str) -> None:
    signature = signing_key(alg).sign(MESSAGE)
    altered = {
        "empty": b"",
        "short": signature[:-1],
        "long": signature + b"\x00",
        "zeros": bytes(len(signature)),
        "ones": b"\xff" * len(signature),
        "one bit": bytes([signature[0] ^ 1]) + signature[1:],
        "leading zero": b"\x00" + signature,
    }
    assert not verifies(alg, altered[change])


@pytest.mark.parametrize("signature", [None, "text", 7, [1, 2]], ids=repr)
def test_something_that_is_no_signature_at_all_does_not_verify(signature: object) -> None:
    assert not any(verifies(alg, signature) for alg in KINDS)


# Numbers of every length, with the first bit set and not: DER shortens and lengthens them, a JWS never does.
NUMBERS = st.one_of(
    st.integers(1, 2**255 - 1), st.integers(2**247, 2**256 - 1), st.integers(0, 256).map(lambda n: 2**n)
)


@given(NUMBERS.filter(lambda n: n < 2**256), NUMBERS.filter(lambda n: n < 2**256))
def test_r_and_s_come_out_of_der_and_go_into_it_as_openssl_has_them(r: int, s: int) -> None:
    der, fixed = encode_dss_signature(r, s), r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert algorithms._fixed(der, 32) == fixed
    if fixed[0] and fixed[32]:
        head, middle = algorithms._frames(32)[fixed[0] >> 7][fixed[32] >> 7]
        assert head + fixed[:32] + middle + fixed[32:] == der


@pytest.mark.parametrize("alg", ECDSA)
def test_each_of_many_signatures_has_its_full_length_and_verifies(alg: str) -> None:
    # Of 600 some have an r or an s that is short of an octet.
    messages = [b"%d" % number for number in range(600 if alg == "ES256" else 100)]
    signatures = [signing_key(alg).sign(message) for message in messages]
    assert {len(signature) for signature in signatures} == {2 * HALVES[alg]}
    assert all(verifies(alg, signature, message) for signature, message in zip(signatures, messages, strict=True))


@pytest.mark.parametrize("alg", ECDSA)
def test_a_der_signature_does_not_verify(alg: str) -> None:
    signature = signing_key(alg).sign(MESSAGE)
    half = len(signature) // 2
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    assert not verifies(alg, der)


@pytest.mark.parametrize("alg", ECDSA)
def test_r_and_s_have_their_length_and_no_more(alg: str) -> None:
    signature = signing_key(alg).sign(MESSAGE)
    half = len(signature) // 2
    assert not verifies(alg, signature[:half] + b"\x00" + signature[half:])


@pytest.mark.parametrize("alg", ECDSA)
@pytest.mark.parametrize("part", ["r", "s"])
@pytest.mark.parametrize("value", ["zero", "the order", "plus the order"])
def test_r_and_s_must_lie_below_the_order_and_above_zero(alg: str, part: str, value: str) -> None:
    signature = signing_key(alg).sign(MESSAGE)
    half = len(signature) // 2
    parts = {"r": int.from_bytes(signature[:half], "big"), "s": int.from_bytes(signature[half:], "big")}
    order = ORDERS[alg]
    parts[part] = {"zero": 0, "the order": order, "plus the order": (parts[part] + order) % 2 ** (8 * half)}[value]
    assert not verifies(alg, parts["r"].to_bytes(half, "big") + parts["s"].to_bytes(half, "big"))


@pytest.mark.parametrize("alg", ECDSA)
def test_an_ecdsa_signature_is_the_same_each_time(alg: str) -> None:
    key = signing_key(alg)
    assert key.sign(MESSAGE) == key.sign(MESSAGE)


def test_an_ecdsa_signature_is_that_of_rfc_6979() -> None:
    # RFC 6979 A.2.5, P-256 with SHA-256, message "sample".
    d = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    signature = ALGORITHMS["ES256"].signer(ec.derive_private_key(d, ec.SECP256R1()))(b"sample")
    assert signature == r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_an_es256_signature_has_a_twin_that_verifies() -> None:
    # Known and harmless: replays are recognised by issuer and jti, never by the signature.
    signature = signing_key("ES256").sign(MESSAGE)
    twin = signature[:32] + (ORDERS["ES256"] - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert twin != signature
    assert verifies("ES256", twin)


@pytest.mark.parametrize(
    "hash", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=["SHA256", "SHA384", "SHA512"]
)
def test_a_pss_signature_uses_one_hash_throughout_and_a_salt_of_its_length(hash: hashes.HashAlgorithm) -> None:
    alg = f"PS{hash.digest_size * 8}"
    scheme = padding.PSS(mgf=padding.MGF1(hash), salt_length=hash.digest_size)
    assert verifies(alg, signing_key(alg)._key.sign(MESSAGE, scheme, hash))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 64, 190])
def test_a_pss_salt_of_another_length_does_not_verify(salt: int) -> None:
    key = signing_key("PS256")
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt)
    assert not verifies("PS256", key._key.sign(MESSAGE, scheme, hashes.SHA256()))  # type: ignore[call-arg, arg-type]


def test_a_pss_signature_whose_mask_uses_another_hash_does_not_verify() -> None:
    key = signing_key("PS256")
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA1()), salt_length=32)
    assert not verifies("PS256", key._key.sign(MESSAGE, scheme, hashes.SHA256()))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize(("signed", "checked"), [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "RS384")])
def test_rsa_algorithms_do_not_verify_each_others_signatures(signed: str, checked: str) -> None:
    assert not verifies(checked, signing_key(signed).sign(MESSAGE))


def test_an_ml_dsa_signature_with_a_context_does_not_verify() -> None:
    key = signing_key("ML-DSA-44")
    assert not verifies("ML-DSA-44", key._key.sign(MESSAGE, b"context"))  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("alg", ["PS256", "RS512"])
def test_a_new_rsa_key_has_3072_bits(alg: str) -> None:
    assert ALGORITHMS[alg].generate().key_size == 3072  # type: ignore[union-attr]
