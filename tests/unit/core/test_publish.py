"""A document as it is published: what it holds, and how requests for it are answered."""

from __future__ import annotations

import json
import os
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from signedmsg import DirectoryDocument, InvalidKeyError, JWKSet, PublicKey, SigningKey
from signedmsg._core.document import parse_document

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://billing.example"
KEY = SigningKey.generate()


def made(*keys: PublicKey, **options: Any) -> DirectoryDocument:
    return DirectoryDocument(JWKSet(*(keys or (KEY.public,))), **{"issuer": ISSUER, "sequence": 42, **options})


def test_document_is_read_by_receivers_as_it_was_meant() -> None:
    read = parse_document(made(revoked=[("old", 1_794_000_000, "superseded")]).content)
    assert (read.issuer, read.sequence, list(read.keys), set(read.revoked)) == (ISSUER, 42, [KEY.public], {"old"})


def test_document_holds_the_times_of_keys_and_revocations() -> None:
    key = PublicKey.from_jwk({**KEY.public.to_jwk(), "nbf": 1, "exp": 2})
    document = json.loads(made(key, revoked=[("a", 3, None), ("b", 4, "stolen")]).content)
    assert (document["keys"][0]["nbf"], document["keys"][0]["exp"]) == (1, 2)
    assert document["revoked"] == [{"kid": "a", "revoked_at": 3}, {"kid": "b", "revoked_at": 4, "reason": "stolen"}]


def test_private_members_that_a_jwk_carried_are_never_published() -> None:
    with pytest.raises(InvalidKeyError):
        PublicKey.from_jwk(KEY.dangerously_to_jwk())
    foreign = PublicKey.from_jwk({**KEY.public.to_jwk(), "x-note": "secret"})
    assert set(json.loads(made(foreign).content)["keys"][0]) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


@pytest.mark.parametrize("keys", [[KEY.public.to_jwk()], {"keys": []}, KEY, None])
def test_only_a_set_of_public_keys_is_taken(keys: Any) -> None:
    with pytest.raises(TypeError, match="keys: expected a JWKSet"):
        DirectoryDocument(keys, issuer=ISSUER, sequence=1)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"issuer": ""}, "issuer: "),
        ({"sequence": -1}, "sequence: "),
        ({"sequence": True}, "sequence: "),
        ({"sequence": 2**53}, "sequence: "),
        ({"max_age": 59}, "max_age: "),
        ({"max_age": 3601}, "max_age: "),
        ({"revoked": [("a b", 1, None)]}, "revoked: "),
        ({"revoked": [("a", "now", None)]}, "revoked: "),
    ],
)
def test_what_receivers_would_refuse_is_refused_here(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        made(**options)


def test_document_larger_than_receivers_read_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="larger"):
        made(revoked=[(f"{index:0128}", 1, None) for index in range(1000)])


def test_get_is_answered_with_the_document_and_how_long_it_keeps() -> None:
    document = made(max_age=120)
    status, headers, body = document.answer("GET")
    assert (status, body) == (200, document.content)
    assert dict(headers) == {
        "Cache-Control": "public, max-age=120",
        "ETag": document.etag,
        "Content-Type": "application/jwk-set+json",
        "X-Content-Type-Options": "nosniff",
    }


def test_entity_tag_follows_from_the_bytes_alone() -> None:
    assert made().etag == made().etag != made(sequence=43).etag


@pytest.mark.parametrize(
    "conditions",
    [["{}"], ["W/{}"], ['"a", {}'], ['"a"', "{}"], ["*"], [" {} "], ['"a,b",{}']],
    ids=["strong", "weak", "list", "two fields", "any", "spaces", "a comma in a tag"],
)
def test_holder_of_the_same_document_is_told_so(conditions: list[str]) -> None:
    document = made()
    status, headers, body = document.answer("GET", [one.replace("{}", document.etag) for one in conditions])
    assert (status, body) == (304, b"")
    assert dict(headers) == {"Cache-Control": "public, max-age=300", "ETag": document.etag}


@pytest.mark.parametrize("conditions", [[], [""], ['"other"'], ["*x"], ["nonsense"], [",,"], ['"']])
def test_holder_of_another_document_gets_this_one(conditions: list[str]) -> None:
    assert made().answer("GET", conditions).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", ""])
def test_other_methods_are_refused_and_told_which_are_allowed(method: str) -> None:
    status, headers, _ = made().answer(method)
    assert (status, dict(headers)["Allow"]) == (405, "GET, HEAD")


def test_written_file_replaces_the_one_before_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    made(sequence=1).write(path)
    with path.open("rb") as reader:
        made(sequence=2).write(path)
        assert json.loads(reader.read())["sequence"] == 1
    assert json.loads(path.read_bytes())["sequence"] == 2
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="file modes are a POSIX matter")
def test_written_file_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made().write(tmp_path / "keys.json")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o644


def test_file_that_cannot_be_replaced_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(OSError, match="keys"):
        made().write(tmp_path / "keys.json")
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


def test_document_is_immutable() -> None:
    with pytest.raises(AttributeError):
        made().sequence = 1
