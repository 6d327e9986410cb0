"""Signing keys: made, loaded, saved, and never shown."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
import typing

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa, x25519

from signedmsg._jose import base64url
from signedmsg.errors import InvalidKeyError
from signedmsg.keys.signing import SigningKey
from tests.unit.jose.samples import ALL, KINDS, plain_pem, private_jwk, public_jwk, rsa_pem, signing_key

if typing.TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from signedmsg._flows.ports import Signer

SECRETS = {"RSA": ("d", "p", "q", "dp", "dq", "qi"), "AKP": ("priv",)}


def secrets_of(key: SigningKey) -> list[str]:
    jwk = key.dangerously_to_jwk()
    return [str(jwk[name]) for name in SECRETS.get(str(jwk["kty"]), ("d",))]


def refused(jwk: dict[str, object] | str) -> str:
    with pytest.raises(InvalidKeyError) as caught:
        SigningKey.from_jwk(jwk)
    return str(caught.value)


@pytest.mark.parametrize("alg", ALL)
def test_the_public_half_verifies_what_the_key_signs(alg: str) -> None:
    key = signing_key(alg)
    assert key.public.verify(key.sign(b"message"), b"message") is None  # type: ignore[func-returns-value]


def test_a_new_key_is_for_es256_and_named_by_its_thumbprint() -> None:
    key = SigningKey.generate()
    assert (key.alg, key.kid) == ("ES256", key.public.thumbprint)


def test_two_new_keys_differ() -> None:
    assert SigningKey.generate().kid != SigningKey.generate().kid


@pytest.mark.parametrize("alg", ["none", "HS256", "es256", "ECDH-ES", ""])
def test_no_key_is_made_for_an_unknown_algorithm(alg: str) -> None:
    with pytest.raises(InvalidKeyError, match="ES256"):
        SigningKey.generate(alg)


def test_a_signing_key_is_a_signer_that_never_waits() -> None:
    signer: Signer = signing_key("ES256")
    assert (signer.alg, signing_key("ES256").waits) == ("ES256", "never")


@pytest.mark.parametrize("alg", ALL)
@pytest.mark.parametrize("password", [None, "secret", b"secret"], ids=repr)
def test_a_pem_is_read_back_as_the_same_key(alg: str, password: str | bytes | None) -> None:
    key = signing_key(alg)
    again = SigningKey.from_pem(key.to_pem(password), password=password, alg=alg)
    assert again.dangerously_to_jwk() == key.dangerously_to_jwk()


@pytest.mark.parametrize("alg", ALL)
def test_a_private_jwk_is_read_back_as_the_same_key(alg: str) -> None:
    key = signing_key(alg)
    assert SigningKey.from_jwk(key.dangerously_to_jwk()).dangerously_to_jwk() == key.dangerously_to_jwk()


def test_a_private_jwk_may_be_given_as_text() -> None:
    assert SigningKey.from_jwk(json.dumps(private_jwk("ES256"))).public == signing_key("ES256").public


def test_the_validity_and_kid_of_a_jwk_are_kept() -> None:
    key = SigningKey.from_jwk(private_jwk("ES256", nbf=1_795_003_600, exp=1_802_779_600, kid="2026-11"))
    assert (key.not_before, key.expires, key.kid) == (1_795_003_600, 1_802_779_600, "2026-11")
    assert SigningKey.from_jwk(key.dangerously_to_jwk()).public == key.public


def test_without_a_validity_there_is_none() -> None:
    assert (signing_key("ES256").not_before, signing_key("ES256").expires) == (None, None)


@pytest.mark.parametrize("operations", [["sign"], ["sign", "verify"]], ids=repr)
def test_a_private_jwk_may_say_that_it_signs(operations: list[str]) -> None:
    assert SigningKey.from_jwk(private_jwk("ES256", key_ops=operations)).public == signing_key("ES256").public


@pytest.mark.parametrize(
    ("jwk", "reason"),
    [
        (public_jwk("ES256"), "public one"),
        (private_jwk("ES256", key_ops=["verify"]), "key_ops"),
        (private_jwk("ES256", key_ops=["sign", "deriveKey"]), "key_ops"),
        (private_jwk("ES256", use="enc"), "use"),
        (private_jwk("ES256", alg="RS256"), "alg"),
        (private_jwk("ES256", kid="a b"), "kid"),
        (private_jwk("ES256", exp=True), "exp"),
        (private_jwk("ES256", "x"), "x"),
        (private_jwk("ES256", d="AA"), "d: expected 32 octets"),
        (private_jwk("ES256", d=base64url.encode(bytes(32))), "private"),
        (private_jwk("ES256", d=base64url.encode(b"\xff" * 32)), "private"),
        (private_jwk("ES256", d=7), "d: "),
        (private_jwk("ES256", d="A" * 42 + "="), "d: "),
        (private_jwk("ES256", d=base64url.encode(b"\x01" * 32)), "another private key"),
        (private_jwk("Ed25519", d=base64url.encode(b"\x01" * 32)), "another private key"),
        (private_jwk("Ed25519", d=base64url.encode(b"\x01" * 31)), "d: expected 32 octets"),
        (private_jwk("Ed25519", crv="X25519"), "crv"),
        (private_jwk("ML-DSA-44", priv=base64url.encode(b"\x01" * 32)), "another private key"),
        (private_jwk("ML-DSA-44", priv=base64url.encode(b"\x01" * 2560)), "priv: expected 32 octets"),
        (private_jwk("ML-DSA-44", "alg"), "alg"),
        (private_jwk("RS256", "alg"), "alg"),
        (private_jwk("RS256", "p"), "p: "),
        (private_jwk("RS256", "qi"), "qi: "),
        (private_jwk("RS256", oth=[]), "oth"),
        (private_jwk("RS256", d="AQAB"), "private"),
        (private_jwk("RS256", p="AA", q="AA"), "private"),
        (private_jwk("RS256", dp="AQ"), "private"),
        ({"kty": "oct", "k": "AAAA", "alg": "HS256"}, "kty"),
        ({}, "kty"),
        ("[]", "object"),
        ("", "JSON"),
        ('{"kty":"EC","kty":"EC"}', "duplicate"),
        ("\ud800", "UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else None,
)
def test_what_is_wrong_with_a_private_jwk_is_said(jwk: dict[str, object] | str, reason: str) -> None:
    assert reason in refused(jwk)


def test_the_reason_holds_no_secret() -> None:
    wrong = private_jwk("RS256", qi="AQAB")
    reason = refused(wrong)
    assert not any(str(wrong[name]) in reason for name in SECRETS["RSA"])


def test_a_whole_traceback_holds_no_secret() -> None:
    text = json.dumps(private_jwk("ES256"))[:-1] + ",}"
    with pytest.raises(InvalidKeyError) as caught:
        SigningKey.from_jwk(text)
    assert str(private_jwk("ES256")["d"]) not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
def test_the_curve_of_a_pem_decides_its_algorithm(curve: ec.EllipticCurve) -> None:
    expected = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}[curve.name]
    assert SigningKey.from_pem(plain_pem(ec.generate_private_key(curve))).alg == expected


@pytest.mark.parametrize(("alg", "expected"), [("EdDSA", "Ed25519"), ("ML-DSA-65", "ML-DSA-65")])
def test_a_pem_of_another_kind_has_its_algorithm_too(alg: str, expected: str) -> None:
    assert SigningKey.from_pem(signing_key(alg).to_pem()).alg == expected


def test_an_rsa_pem_without_alg_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidKeyError, match=r"PS256.*RS256"):
        SigningKey.from_pem(rsa_pem())


def test_an_alg_that_does_not_fit_the_pem_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="alg"):
        SigningKey.from_pem(signing_key("ES256").to_pem(), alg="ES384")


def test_a_pem_may_be_given_a_kid() -> None:
    assert SigningKey.from_pem(signing_key("ES256").to_pem(), kid="mine").kid == "mine"


WEAK: dict[str, tuple[typing.Callable[[], PrivateKeyTypes], str]] = {
    "RSA of 1024 bits": (lambda: rsa.generate_private_key(65537, 1024), "bits"),
    "RSA with e = 3": (lambda: rsa.generate_private_key(3, 2048), "65537"),
    "secp256k1": (lambda: ec.generate_private_key(ec.SECP256K1()), "secp256k1"),
    "P-224": (lambda: ec.generate_private_key(ec.SECP224R1()), "secp224r1"),
    "DSA": (lambda: dsa.generate_private_key(1024), "type"),
    "Ed448": (ed448.Ed448PrivateKey.generate, "type"),
    "X25519": (x25519.X25519PrivateKey.generate, "type"),
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_or_foreign_pem_is_refused(kind: str) -> None:
    make, reason = WEAK[kind]
    with pytest.raises(InvalidKeyError, match=reason):
        SigningKey.from_pem(plain_pem(make()), alg="RS256" if "RSA" in kind else None)


@pytest.mark.parametrize("show", [repr, str, "{}".format, ascii])
@pytest.mark.parametrize("alg", KINDS)
def test_only_alg_and_kid_are_shown(show: typing.Callable[[object], str], alg: str) -> None:
    key = signing_key(alg)
    assert show(key) == f"SigningKey(alg={alg!r}, kid={key.kid!r})"


def test_vars_reveals_nothing() -> None:
    with pytest.raises(TypeError):
        vars(signing_key("ES256"))


@pytest.mark.parametrize(
    "attempt",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda key, p=protocol: pickle.dumps(key, p) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
        lambda key: key.__getstate__(),
        lambda key: key.__reduce__(),
        lambda key: copy.deepcopy({"nested": [key]}),
    ],
    ids=range(3 + 3 + pickle.HIGHEST_PROTOCOL),
)
def test_a_signing_key_is_neither_copied_nor_pickled(attempt: typing.Callable[[object], object]) -> None:
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        attempt(signing_key("ES256"))


def test_signing_keys_are_not_compared_by_their_secret() -> None:
    key = signing_key("ES256")
    twin = SigningKey.from_jwk(key.dangerously_to_jwk())
    assert key != twin
    assert {key: 1}[key] == 1


@pytest.mark.parametrize("name", ["public", "_key", "alg", "new"])
def test_a_signing_key_cannot_be_changed(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(signing_key("ES256"), name, None)
    with pytest.raises(AttributeError):
        delattr(signing_key("ES256"), name)


@pytest.mark.parametrize("alg", KINDS)
def test_the_public_half_holds_no_secret(alg: str) -> None:
    key = signing_key(alg)
    shown = f"{key.public!r} {key.public.to_jwk()} {key.public.to_pem()} {pickle.dumps(key.public)!r}"
    assert not any(secret in shown for secret in secrets_of(key))
