"""Public keys: what is read, what is written, and what contradicts itself."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from signedmsg._jose.jwk import KID, PublicKey
from signedmsg.errors import InvalidKeyError, InvalidSignatureError
from tests.unit.jose.samples import ALL, KINDS, private_jwk, public_jwk, refused, signing_key


@pytest.mark.parametrize("alg", ALL)
def test_a_public_jwk_is_read_back_as_the_same_key(alg: str) -> None:
    key = signing_key(alg).public
    assert PublicKey.from_jwk(key.to_jwk()) == key


@pytest.mark.parametrize("alg", ALL)
def test_a_public_pem_is_read_back_as_the_same_key(alg: str) -> None:
    key = signing_key(alg).public
    assert PublicKey.from_pem(key.to_pem(), alg=alg) == key


@pytest.mark.parametrize("alg", ALL)
def test_a_public_jwk_verifies_what_the_private_key_signed(alg: str) -> None:
    key = PublicKey.from_jwk(public_jwk(alg))
    key.verify(signing_key(alg).sign(b"message"), b"message")
    with pytest.raises(InvalidSignatureError):
        key.verify(signing_key(alg).sign(b"message"), b"another")


@pytest.mark.parametrize("alg", KINDS)
def test_a_public_jwk_has_no_private_member(alg: str) -> None:
    assert {"d", "p", "q", "dp", "dq", "qi", "priv", "k"}.isdisjoint(public_jwk(alg))


def test_a_jwk_says_what_the_key_is_for() -> None:
    jwk = public_jwk("ES256")
    assert (jwk["use"], jwk["alg"], jwk["kid"]) == ("sig", "ES256", signing_key("ES256").public.thumbprint)


@pytest.mark.parametrize(
    ("alg", "members"),
    [("ES256", "crv kty x y"), ("Ed25519", "crv kty x"), ("RS256", "e kty n"), ("ML-DSA-44", "kty pub")],
)
def test_a_jwk_has_the_members_of_its_type_and_no_others(alg: str, members: str) -> None:
    assert sorted(public_jwk(alg, "alg", "kid", "use")) == members.split()


def test_validity_is_read_and_written() -> None:
    key = PublicKey.from_jwk(public_jwk("ES256", nbf=1_795_003_600, exp=1_802_779_600))
    assert (key.not_before, key.expires) == (1_795_003_600, 1_802_779_600)
    assert (key.to_jwk()["nbf"], key.to_jwk()["exp"]) == (1_795_003_600, 1_802_779_600)


def test_without_validity_there_is_none() -> None:
    key = PublicKey.from_jwk(public_jwk("ES256"))
    assert (key.not_before, key.expires) == (None, None)
    assert {"nbf", "exp"}.isdisjoint(key.to_jwk())


def test_without_a_kid_the_thumbprint_is_the_kid() -> None:
    key = PublicKey.from_jwk(public_jwk("ES256", "kid"))
    assert key.kid == key.thumbprint


def test_a_kid_of_the_issuers_own_is_kept() -> None:
    assert PublicKey.from_jwk(public_jwk("ES256", kid="2026-11/a")).kid == "2026-11/a"


def test_unknown_members_are_ignored() -> None:
    assert PublicKey.from_jwk(public_jwk("ES256", x5c=["MII"], x5t="x", note={"a": 1})) == signing_key("ES256").public


@pytest.mark.parametrize(
    ("alg", "expected"), [("ES256", "ES256"), ("ES384", "ES384"), ("ES512", "ES512"), ("EdDSA", "Ed25519")]
)
def test_without_alg_the_curve_decides(alg: str, expected: str) -> None:
    assert PublicKey.from_jwk(public_jwk(alg, "alg")).alg == expected


@pytest.mark.parametrize("label", ["Ed25519", "EdDSA"])
def test_both_labels_of_ed25519_are_kept_apart(label: str) -> None:
    assert PublicKey.from_jwk(public_jwk("Ed25519", alg=label)).alg == label


def test_an_rsa_key_without_alg_is_refused_with_the_choices() -> None:
    reason = str(refused(public_jwk("RS256", "alg")))
    assert all(name in reason for name in ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512"))


def test_an_akp_key_without_alg_is_refused() -> None:
    assert "ML-DSA-44" in str(refused(public_jwk("ML-DSA-44", "alg")))


@pytest.mark.parametrize(
    ("kind", "alg"),
    [
        ("ES256", "ES384"),
        ("ES256", "RS256"),
        ("ES256", "Ed25519"),
        ("ES256", "ES256K"),
        ("ES256", "none"),
        ("ES256", "HS256"),
        ("ES256", "es256"),
        ("ES256", "ECDH-ES"),
        ("ES256", ""),
        ("ES256", 7),
        ("ES256", None),
        ("ES256", ["ES256"]),
        ("Ed25519", "ES256"),
        ("RS256", "RSA-OAEP"),
        ("RS256", "ES256"),
        ("ML-DSA-44", "ML-DSA-65"),
        ("ML-DSA-44", "ES256"),
    ],
)
def test_an_alg_that_does_not_fit_the_key_is_refused(kind: str, alg: object) -> None:
    refused(public_jwk(kind, alg=alg))


@pytest.mark.parametrize("alg", ALL)
def test_a_private_jwk_is_refused_as_such(alg: str) -> None:
    assert refused(private_jwk(alg)).code == "private_key"


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_any_private_member_is_an_alarm(member: str) -> None:
    error = refused(public_jwk("ES256", **{member: "c2VjcmV0"}))
    assert error.code == "private_key"
    assert member in str(error)
    assert "c2VjcmV0" not in str(error)


def test_a_symmetric_key_is_an_alarm() -> None:
    assert refused({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}).code == "private_key"


@pytest.mark.parametrize("kty", ["oct", "ec", "DSA", "", None, 1, ["EC"], {}])
def test_another_key_type_is_refused(kty: object) -> None:
    assert "kty" in str(refused(public_jwk("ES256", kty=kty)))


def test_a_missing_key_type_is_refused() -> None:
    assert "kty" in str(refused(public_jwk("ES256", "kty")))


@pytest.mark.parametrize("use", ["enc", "SIG", "", None, 1, ["sig"]])
def test_a_use_other_than_signatures_is_refused(use: object) -> None:
    assert "use" in str(refused(public_jwk("ES256", use=use)))


def test_a_key_without_use_is_accepted() -> None:
    assert PublicKey.from_jwk(public_jwk("ES256", "use")).alg == "ES256"


@pytest.mark.parametrize("operations", [["verify"], ["sign", "verify"], ["verify", "sign"]])
@pytest.mark.parametrize("without", ["use", "nothing"])
def test_key_ops_for_signatures_are_accepted(operations: list[str], without: str) -> None:
    assert PublicKey.from_jwk(public_jwk("ES256", without, key_ops=operations)).alg == "ES256"


@pytest.mark.parametrize(
    "operations",
    [
        *([], ["sign"], ["encrypt"], ["verify", "verify"], ["verify", "encrypt"], ["verify", "deriveKey"]),
        *(["verify", 1], ["verify", ["verify"]], ["verify", {}], ["VERIFY"], "verify", {"verify": 1}, None, 7),
    ],
    ids=repr,
)
@pytest.mark.parametrize("without", ["use", "nothing"])
def test_key_ops_that_contradict_are_refused(operations: object, without: str) -> None:
    assert "key_ops" in str(refused(public_jwk("ES256", without, key_ops=operations)))


@pytest.mark.parametrize("kid", ["", "a b", "a\n", "\u00e9", "a'--", 'a"b', "a\\b", "a?b", "a#b", "a%2e", "x" * 129])
def test_a_kid_of_another_syntax_is_refused(kid: str) -> None:
    assert "kid" in str(refused(public_jwk("ES256", kid=kid)))


@pytest.mark.parametrize("kid", [None, 7, ["a"], {}])
def test_a_kid_that_is_no_string_is_refused(kid: object) -> None:
    assert "kid" in str(refused(public_jwk("ES256", kid=kid)))


@pytest.mark.parametrize("kid", ["a", "x" * 128, "A-Z.a_z~0:9+@=/", "../../etc/passwd"])
def test_the_kid_syntax_admits_what_the_profile_says(kid: str) -> None:
    assert KID.fullmatch(kid)


@pytest.mark.parametrize("member", ["nbf", "exp"])
@pytest.mark.parametrize("value", [True, False, 0, -1, 1.5, 1e9, 2**53, 10**30, "1795003600", None, [1]])
def test_a_validity_that_is_no_numeric_date_is_refused(member: str, value: object) -> None:
    assert member in str(refused(public_jwk("ES256", **{member: value})))


@pytest.mark.parametrize("exp", [1_795_003_600, 1_795_003_599])
def test_a_key_that_expires_before_it_is_valid_is_refused(exp: int) -> None:
    assert "exp" in str(refused(public_jwk("ES256", nbf=1_795_003_600, exp=exp)))


def test_equal_keys_are_equal_and_hash_alike() -> None:
    one, other = PublicKey.from_jwk(public_jwk("ES256")), PublicKey.from_jwk(public_jwk("ES256"))
    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize("change", [{"kid": "other"}, {"alg": "EdDSA"}, {"exp": 2**40}, {"nbf": 1}])
def test_keys_that_differ_in_anything_published_are_not_equal(change: dict[str, object]) -> None:
    assert PublicKey.from_jwk(public_jwk("Ed25519", **change)) != PublicKey.from_jwk(public_jwk("Ed25519"))


def test_a_key_is_not_equal_to_something_else() -> None:
    assert PublicKey.from_jwk(public_jwk("ES256")) != public_jwk("ES256")


@pytest.mark.parametrize("name", ["alg", "kid", "expires", "thumbprint", "_key", "new"])
def test_a_public_key_cannot_be_changed(name: str) -> None:
    key = PublicKey.from_jwk(public_jwk("ES256"))
    with pytest.raises(AttributeError):
        setattr(key, name, "x")
    with pytest.raises(AttributeError):
        delattr(key, name)


def test_the_returned_jwk_is_a_copy() -> None:
    key = PublicKey.from_jwk(public_jwk("ES256"))
    key.to_jwk()["x"] = "changed"
    assert key.to_jwk() == public_jwk("ES256")


@pytest.mark.parametrize("alg", KINDS)
def test_a_public_key_can_be_copied_and_pickled(alg: str) -> None:
    key = PublicKey.from_jwk(public_jwk(alg, exp=2**40))
    assert copy.deepcopy(key) == key
    assert pickle.loads(pickle.dumps(key)) == key


def test_a_public_key_shows_its_alg_and_kid() -> None:
    assert repr(PublicKey.from_jwk(public_jwk("ES256", kid="a"))) == "PublicKey(alg='ES256', kid='a')"


def test_a_pem_may_be_given_a_kid() -> None:
    assert PublicKey.from_pem(signing_key("ES256").public.to_pem().encode(), kid="mine").kid == "mine"


def test_an_rsa_pem_without_alg_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidKeyError, match=r"PS256.*RS256"):
        PublicKey.from_pem(signing_key("RS256").public.to_pem())


@pytest.mark.parametrize("alg", ["ES384", "RS256", "HS256", "none", ""])
def test_an_alg_that_does_not_fit_the_pem_is_refused(alg: str) -> None:
    with pytest.raises(InvalidKeyError, match="alg"):
        PublicKey.from_pem(signing_key("ES256").public.to_pem(), alg=alg)


@pytest.mark.parametrize("password", [None, "secret"])
def test_a_private_pem_is_refused_as_such(password: str | None) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        PublicKey.from_pem(signing_key("ES256").to_pem(password))
    assert caught.value.code == "private_key"


@pytest.mark.parametrize("pem", ["", "junk", b"\xff\xfe", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_something_that_is_no_pem_is_refused(pem: str | bytes) -> None:
    with pytest.raises(InvalidKeyError, match="not a public key"):
        PublicKey.from_pem(pem)


def test_a_certificate_is_refused_as_such() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    day = datetime(2026, 11, 23, tzinfo=UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + timedelta(days=1)).sign(key, None)
    with pytest.raises(InvalidKeyError, match="certificate"):
        PublicKey.from_pem(certificate.public_bytes(Encoding.PEM))
