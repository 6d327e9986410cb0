"""Laws of keys and signatures: whatever comes in is read or refused, and nothing altered verifies."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signedmsg._jose import base64url
from signedmsg._jose.edwards import reason_to_refuse
from signedmsg._jose.jwk import PublicKey
from signedmsg._jose.jwks import JWKSet, parse_jwk_set
from signedmsg.errors import InvalidKeyError, InvalidSignatureError
from signedmsg.keys.signing import SigningKey
from tests.property.json_texts import ALPHABET, nearly_json, values
from tests.unit.jose.samples import ALL, KINDS, private_jwk, public_jwk, signing_key

members = st.sampled_from(
    ["kty", "crv", "x", "y", "n", "e", "pub", "alg", "kid", "use", "key_ops", "nbf", "exp", "d", "p", "priv", "new"]
)
junk = values | st.text(ALPHABET, max_size=90) | st.sampled_from(["EC", "OKP", "RSA", "AKP", "P-256", "Ed25519", *ALL])


@given(st.sampled_from(KINDS), st.dictionaries(members, junk, max_size=3), st.sets(members, max_size=2))
def test_only_an_invalid_key_error_leaves_the_reader_of_public_keys(
    alg: str, changes: dict[str, object], without: set[str]
) -> None:
    jwk = {name: value for name, value in {**public_jwk(alg), **changes}.items() if name not in without}
    with contextlib.suppress(InvalidKeyError):
        key = PublicKey.from_jwk(jwk)
        assert PublicKey.from_jwk(key.to_jwk()) == key


@given(st.sampled_from(KINDS), st.dictionaries(members, junk, max_size=2), st.sets(members, max_size=1))
def test_only_an_invalid_key_error_leaves_the_reader_of_private_keys(
    alg: str, changes: dict[str, object], without: set[str]
) -> None:
    jwk = {name: value for name, value in {**private_jwk(alg), **changes}.items() if name not in without}
    with contextlib.suppress(InvalidKeyError):
        key = SigningKey.from_jwk(jwk)
        key.public.verify(key.sign(b"message"), b"message")


@given(st.dictionaries(st.sampled_from(["d", "p", "q", "dp", "dq", "qi"]), st.integers(0, 2**1100), min_size=1))
def test_any_number_in_an_rsa_key_is_read_or_refused(numbers: dict[str, int]) -> None:
    written = {name: base64url.encode(value.to_bytes(140, "big")) for name, value in numbers.items()}
    with pytest.raises(InvalidKeyError):
        SigningKey.from_jwk(private_jwk("RS256", **written))


@given(st.dictionaries(st.text(), values, max_size=3) | st.fixed_dictionaries({"keys": st.lists(values, max_size=4)}))
def test_only_an_invalid_key_error_leaves_the_reader_of_sets(document: dict[str, object]) -> None:
    with contextlib.suppress(InvalidKeyError):
        keys, refused = parse_jwk_set(document)
        assert len(keys) == 0
        assert all(one.code in ("invalid_key", "private_key", "duplicate_kid") for one in refused)


@given(st.text() | st.binary() | nearly_json)
def test_only_an_invalid_key_error_leaves_the_reader_of_documents(document: str | bytes) -> None:
    with contextlib.suppress(InvalidKeyError):
        assert len(JWKSet.from_json(document)) == 0


@given(st.sampled_from(KINDS), st.binary(max_size=5000))
def test_no_other_octets_verify(alg: str, signature: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        signing_key(alg).public.verify(signature, b"message")


@given(st.sampled_from(KINDS), st.data())
def test_a_signature_with_one_bit_flipped_does_not_verify(alg: str, data: st.DataObject) -> None:
    signature = bytearray(signing_key(alg).sign(b"message"))
    bit = data.draw(st.integers(0, len(signature) * 8 - 1))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidSignatureError):
        signing_key(alg).public.verify(bytes(signature), b"message")


@given(st.binary(min_size=32, max_size=32))
def test_the_check_of_ed25519_points_is_total(encoded: bytes) -> None:
    assert reason_to_refuse(encoded) in (
        None,
        "the point is not in its canonical form",
        "the point is not on the curve",
        "the point is of low order",
    )
