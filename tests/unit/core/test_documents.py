"""Key directory documents: read strictly, and joined where a folder holds several."""

from __future__ import annotations

import json
from typing import Any

import pytest

from signedmsg import InvalidKeyError, SigningKey
from signedmsg._core.document import merge, parse_document, parse_key
from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE

ISSUER = "https://billing.example"
A, B = SigningKey.generate(), SigningKey.generate()


def document(*keys: SigningKey, **more: Any) -> bytes:
    return json.dumps({"keys": [key.public.to_jwk() for key in keys], **more}).encode()


BROKEN = {
    "html": b"<html>",
    "utf16": document(A).decode().encode("utf-16"),
    "array": b"[]",
    "keys-missing": b"{}",
    "keys-object": b'{"keys":{}}',
    "keys-twice": b'{"keys":[],"keys":[]}',
    "keys-null": b'{"keys":null}',
    "trailing": b'{"keys":[]}x',
    "too-large": b'{"keys":[]}' + b" " * MAX_DOCUMENT_SIZE,
    "too-many-keys": json.dumps({"keys": [{"kty": "x"}] * 65}).encode(),
    "issuer-number": b'{"keys":[],"issuer":1}',
    "sequence-text": b'{"keys":[],"sequence":"1"}',
    "sequence-negative": b'{"keys":[],"sequence":-1}',
    "sequence-true": b'{"keys":[],"sequence":true}',
    "sequence-fraction": b'{"keys":[],"sequence":1.0}',
    "sequence-huge": b'{"keys":[],"sequence":9007199254740992}',
    "revoked-object": b'{"keys":[],"revoked":{}}',
    "revoked-null": b'{"keys":[],"revoked":null}',
    "revoked-kid-alone": b'{"keys":[],"revoked":["k"]}',
    "revoked-without-kid": b'{"keys":[],"revoked":[{}]}',
    "revoked-with-a-kid-of-no-form": b'{"keys":[],"revoked":[{"kid":"a b"}]}',
}


@pytest.mark.parametrize("written", BROKEN.values(), ids=BROKEN)
def test_malformed_document_is_refused_altogether(written: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        parse_document(written)


def merged(*written: bytes) -> Any:
    return merge([parse_document(one) for one in written])


def kids(parsed: Any) -> set[str]:
    return {key.kid for key in parsed.keys}


def test_documents_of_a_folder_are_joined() -> None:
    joined = merged(document(A, revoked=[{"kid": "x"}]), document(B, issuer=ISSUER, revoked=[{"kid": "y"}]))
    assert kids(joined) == {A.kid, B.kid}
    assert (joined.revoked, joined.issuer) == ({"x", "y"}, ISSUER)


def test_kid_in_two_documents_is_usable_in_none() -> None:
    joined = merged(document(A, B), document(A))
    assert kids(joined) == {B.kid}
    assert [(one.kid, one.code) for one in joined.refused] == [(A.kid, "duplicate_kid")]


def test_kid_that_is_refused_in_one_document_is_usable_in_no_other() -> None:
    twice_in_one = document(A, A)
    with_its_secret = json.dumps({"keys": [A.dangerously_to_jwk()]}).encode()
    assert kids(merged(twice_in_one, document(A, B))) == {B.kid}
    assert kids(merged(document(A, B), with_its_secret)) == {B.kid}


def test_key_revoked_by_one_document_is_revoked_in_all() -> None:
    assert merged(document(A), document(revoked=[{"kid": A.kid}])).revoked == {A.kid}


def test_documents_of_two_issuers_in_one_folder_are_refused() -> None:
    with pytest.raises(InvalidKeyError, match="different issuers"):
        merged(document(A, issuer=ISSUER), document(B, issuer="https://evil.example"))


def test_pem_of_a_repository_is_a_set_of_one_under_the_kid_it_was_asked_for() -> None:
    parsed = parse_key((A.public.to_pem().encode(),), "team/key-1", "RS256")
    assert [(key.kid, key.alg) for key in parsed.keys] == [("team/key-1", "ES256")]


def test_rsa_key_of_a_repository_has_the_algorithm_that_was_configured() -> None:
    pem = SigningKey.generate("PS256").public.to_pem().encode()
    assert [key.alg for key in parse_key((pem,), "k", "PS256").keys] == ["PS256"]
    with pytest.raises(InvalidKeyError):
        parse_key((pem,), "k", "ES256")


def test_missing_key_of_a_repository_is_a_set_of_none() -> None:
    assert len(parse_key((), "k", "RS256").keys) == 0


@pytest.mark.parametrize("pem", [b"", b"<html>", A.to_pem().encode()], ids=["empty", "html", "private"])
def test_what_is_no_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(InvalidKeyError):
        parse_key((pem,), "k", "RS256")
