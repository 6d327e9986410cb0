"""JWK Sets: strict for what one configures, member by member for what others publish."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from signedmsg._jose.jwk import PublicKey
from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE, JWKSet, RefusedMember, parse_jwk_set
from signedmsg.errors import InvalidKeyError
from tests.unit.jose.samples import KINDS, private_jwk, public_jwk, signing_key

FOREIGN = {
    "an unknown key type": {"kty": "XYZ", "kid": "a", "z": 1},
    "an encryption key": {"kty": "OKP", "crv": "X25519", "x": "AAAA", "use": "enc", "kid": "a"},
    "an RSA encryption key": {"kty": "RSA", "use": "enc", "n": "AQ", "e": "AQAB", "kid": "a"},
}
WRONG: dict[str, tuple[object, str]] = {
    "a private key": (private_jwk("ES256", kid="bad"), "private_key"),
    "a private encryption key": ({"kty": "OKP", "crv": "X25519", "use": "enc", "d": "AA", "kid": "bad"}, "private_key"),
    "a secret of an unknown type": ({"kty": "XYZ", "priv": "AA", "kid": "bad"}, "private_key"),
    "a symmetric key": ({"kty": "oct", "k": "AA", "kid": "bad"}, "private_key"),
    "a symmetric key without its value": ({"kty": "oct", "kid": "bad"}, "invalid_key"),
    "an off-curve key": (public_jwk("ES256", x="A" * 43, kid="bad"), "invalid_key"),
    "a key without a type": (public_jwk("ES256", "kty", kid="bad"), "invalid_key"),
    "an X25519 key that is not said to be for encryption": (
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43, "kid": "bad"},
        "invalid_key",
    ),
}


def whole(*members: object) -> dict[str, object]:
    return {"keys": list(members)}


def test_keys_are_found_by_kid() -> None:
    keys = JWKSet(*(signing_key(alg).public for alg in KINDS))
    assert all(keys.get(signing_key(alg).kid) == signing_key(alg).public for alg in KINDS)


def test_an_unknown_kid_finds_nothing() -> None:
    assert JWKSet(signing_key("ES256").public).get("other") is None


def test_a_set_is_a_collection_of_its_keys() -> None:
    key = signing_key("ES256").public
    keys = JWKSet(key)
    assert (len(keys), list(keys), key.kid in keys, "other" in keys) == (1, [key], True, False)


def test_a_set_may_be_empty() -> None:
    assert list(JWKSet()) == list(JWKSet.from_json('{"keys":[]}')) == []


def test_two_keys_of_one_kid_are_refused() -> None:
    with pytest.raises(InvalidKeyError, match="two keys") as caught:
        JWKSet(signing_key("ES256").public, signing_key("ES256").public)
    assert caught.value.code == "duplicate_kid"


def test_one_key_with_two_algorithms_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="two algorithms"):
        JWKSet(PublicKey.from_jwk(public_jwk("RS256", kid="a")), PublicKey.from_jwk(public_jwk("PS256", kid="b")))


def test_one_key_with_two_algorithms_is_usable_for_neither() -> None:
    members = [public_jwk("RS256", kid="a"), public_jwk("ES256", kid="b"), public_jwk("PS256", kid="c")]
    keys, refused = parse_jwk_set(whole(*members))
    assert [key.kid for key in keys] == ["b"]
    assert [(one.kid, one.code) for one in refused] == [("a", "invalid_key"), ("c", "invalid_key")]


def test_one_key_under_two_names_is_accepted() -> None:
    assert len(JWKSet(*(PublicKey.from_jwk(public_jwk("RS256", kid=kid)) for kid in ("a", "b")))) == 2


def test_a_signing_key_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match=r"\.public"):
        JWKSet(signing_key("ES256"))  # type: ignore[arg-type]


def test_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="got dict"):
        JWKSet(public_jwk("ES256"))  # type: ignore[arg-type]


def test_a_set_cannot_be_changed() -> None:
    keys = JWKSet(signing_key("ES256").public)
    with pytest.raises(AttributeError):
        keys._keys = {}
    with pytest.raises(AttributeError):
        keys.new = 1


def test_a_set_can_be_copied_and_pickled() -> None:
    keys = JWKSet(*(signing_key(alg).public for alg in KINDS))
    assert list(copy.deepcopy(keys)) == list(pickle.loads(pickle.dumps(keys))) == list(keys)


def test_a_set_shows_its_keys() -> None:
    key = signing_key("ES256").public
    assert repr(JWKSet(key)) == f"JWKSet({key!r})"


@pytest.mark.parametrize("form", [str, str.encode])
def test_a_written_set_is_read_back(form: object) -> None:
    keys = JWKSet(*(signing_key(alg).public for alg in KINDS))
    assert callable(form)
    assert list(JWKSet.from_json(form(keys.to_json()))) == list(keys)


def test_a_written_set_has_no_private_member() -> None:
    text = JWKSet(*(signing_key(alg).public for alg in KINDS)).to_json()
    assert all({"d", "p", "q", "dp", "dq", "qi", "priv", "k"}.isdisjoint(jwk) for jwk in json.loads(text)["keys"])


def test_good_members_are_read_whatever_else_the_document_holds() -> None:
    document = {**whole(public_jwk("ES256")), "issuer": "https://a.example", "sequence": 1}
    keys, refused = parse_jwk_set(document)
    assert (list(keys), refused) == ([signing_key("ES256").public], ())


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_member_is_left_out_and_reported(wrong: str) -> None:
    member, code = WRONG[wrong]
    keys, refused = parse_jwk_set(whole(public_jwk("ES384"), member))
    assert list(keys) == [signing_key("ES384").public]
    assert [(one.index, one.kid, one.code) for one in refused] == [(1, "bad", code)]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_bad_member_refuses_a_configured_set(wrong: str) -> None:
    member, code = WRONG[wrong]
    with pytest.raises(InvalidKeyError, match=r"keys\[1\] \(kid 'bad'\)") as caught:
        JWKSet.from_json(json.dumps(whole(public_jwk("ES384"), member)))
    assert caught.value.code == code


def test_every_bad_member_is_named_at_once() -> None:
    document = whole(*(member for member, _ in WRONG.values()), 7)
    with pytest.raises(InvalidKeyError) as caught:
        JWKSet.from_json(json.dumps(document))
    assert all(f"keys[{index}]" in str(caught.value) for index in range(len(WRONG) + 1))
    assert caught.value.code == "private_key"


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_member_of_another_trade_is_skipped_and_not_reported(foreign: str) -> None:
    keys, refused = parse_jwk_set(whole(FOREIGN[foreign], public_jwk("ES256")))
    assert (list(keys), refused) == ([signing_key("ES256").public], ())


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_member_of_another_trade_does_not_refuse_a_configured_set(foreign: str) -> None:
    assert len(JWKSet.from_json(json.dumps(whole(FOREIGN[foreign], public_jwk("ES256"))))) == 1


@pytest.mark.parametrize("member", [7, None, "x", [], True])
def test_a_member_that_is_no_object_is_refused(member: object) -> None:
    keys, refused = parse_jwk_set(whole(member, public_jwk("ES256")))
    assert len(keys) == 1
    assert refused == (RefusedMember(0, None, "a JWK is a JSON object", "invalid_key"),)


@pytest.mark.parametrize("kid", [7, "a b", "x" * 200, None])
def test_a_malformed_kid_is_not_reported_as_one(kid: object) -> None:
    _, refused = parse_jwk_set(whole(public_jwk("ES256", kid=kid)))
    assert [one.kid for one in refused] == [None]


def test_a_duplicate_kid_is_usable_for_none_of_its_keys() -> None:
    members = [public_jwk("ES256", kid="a"), public_jwk("ES384", kid="b"), public_jwk("ES512", kid="a")]
    keys, refused = parse_jwk_set(whole(*members))
    assert [key.kid for key in keys] == ["b"]
    assert [(one.index, one.kid, one.code) for one in refused] == [(0, "a", "duplicate_kid"), (2, "a", "duplicate_kid")]


def test_the_same_key_twice_is_a_duplicate_too() -> None:
    keys, refused = parse_jwk_set(whole(public_jwk("ES256"), public_jwk("ES256", "kid")))
    assert len(keys) == 0
    assert [one.code for one in refused] == ["duplicate_kid", "duplicate_kid"]


def test_a_good_key_is_not_used_beside_a_bad_one_of_its_name() -> None:
    keys, refused = parse_jwk_set(whole(public_jwk("ES256", kid="a"), private_jwk("ES384", kid="a")))
    assert len(keys) == 0
    assert [one.code for one in refused] == ["duplicate_kid", "private_key"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"Keys": []}])
def test_a_document_without_an_array_of_keys_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidKeyError, match="keys"):
        parse_jwk_set(document)


def test_sixty_four_members_are_read() -> None:
    keys, _ = parse_jwk_set(whole(*(public_jwk("ES256", kid=f"k{number}") for number in range(64))))
    assert len(keys) == 64


def test_sixty_five_members_are_refused() -> None:
    with pytest.raises(InvalidKeyError, match="at most 64"):
        parse_jwk_set(whole(*({"kty": "XYZ"} for _ in range(65))))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"keys":[],"keys":[]}', "duplicate"),
        ('{"keys":[{"kty":"EC","kty":"EC"}]}', "duplicate"),
        ("\ufeff{}", "byte order mark"),
        (b"\xff", "UTF-8"),
        ('{"keys":["\ud800"]}', "UTF-8"),
        ('{"keys":' + "[" * 40 + "]" * 40 + "}", "nested"),
    ],
)
def test_a_document_that_is_not_strict_json_is_refused(document: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidKeyError, match=reason):
        JWKSet.from_json(document)


def test_a_document_beyond_128_kib_is_refused_before_it_is_read() -> None:
    with pytest.raises(InvalidKeyError, match="larger"):
        JWKSet.from_json("x" * (MAX_DOCUMENT_SIZE + 1))


def test_a_document_of_just_128_kib_is_read() -> None:
    assert len(JWKSet.from_json('{"keys":[]}'.ljust(MAX_DOCUMENT_SIZE))) == 0
