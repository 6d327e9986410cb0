"""A key directory document as it is published, and the HTTP answer that carries it (RFC 9110, RFC 9111)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core.answers import Answer
from signedmsg._core.document import parse_document
from signedmsg._core.policy import between, check, problem_of_issuer
from signedmsg._jose import base64url, strict_json
from signedmsg._jose.jwk import KID
from signedmsg._jose.jwks import JWKSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from signedmsg._jose.strict_json import JSONValue

WELL_KNOWN_PATH: Final = "/.well-known/signedmsg/keys.json"
# RFC 7517 §8.5.2
JWK_SET_MEDIA_TYPE: Final = "application/jwk-set+json"
MAX_AGE: Final = 300
_ALLOW: Final = "GET, HEAD"


class Revocation(NamedTuple):
    """A key that receivers must not take any more, whatever another document says."""

    kid: str
    revoked_at: int
    reason: str | None


def write_document(keys: JWKSet, *, issuer: str, sequence: int, revoked: Iterable[Revocation] = ()) -> bytes:
    """Return a document of public keys, read back once as a receiver would.

    A `JWKSet` holds public keys alone, and each writes its own members: no secret that
    somebody's JWK carried along can get in.

    Raises:
        TypeError, ValueError: a receiver would refuse it.
    """
    if not isinstance(keys, JWKSet):
        raise TypeError(f"keys: expected a JWKSet, got {type(keys).__name__}")
    entries = [Revocation(*one) for one in revoked]
    check((problem_of_issuer(issuer), _problem_of_sequence(sequence), *map(_problem_of_entry, entries)))
    document: dict[str, JSONValue] = {"issuer": issuer, "sequence": sequence, **keys.to_jwks()}
    if entries:
        document["revoked"] = [
            {name: value for name, value in one._asdict().items() if value is not None} for one in entries
        ]
    written = strict_json.dumps(document) + b"\n"
    parse_document(written)
    return written


def _problem_of_sequence(sequence: object) -> str | None:
    if type(sequence) is int and 0 <= sequence < 2**53:
        return None
    return "sequence: expected an integer in [0, 2^53)"


def _problem_of_entry(entry: Revocation) -> str | None:
    if not isinstance(entry.kid, str) or not KID.fullmatch(entry.kid):
        return "revoked: expected the kid of a key first"
    return between(f"revoked: the time of {entry.kid}", entry.revoked_at, 0, 2**53, "seconds")


def entity_tag(written: bytes) -> str:
    """Return a strong validator (RFC 9110 §8.8.3): the same bytes have the same one on every host."""
    return f'"{base64url.encode(sha256(written).digest()[:18])}"'


def answer_document(
    written: bytes, etag: str, *, max_age: int, method: str, if_none_match: Sequence[str] = ()
) -> Answer:
    """Return the answer to a request for the document."""
    if method not in ("GET", "HEAD"):
        headers = (("Allow", _ALLOW), ("Cache-Control", "no-store"), ("Content-Type", "text/plain; charset=utf-8"))
        return Answer(405, headers, b"only GET and HEAD are accepted\n")
    caching = (("Cache-Control", f"public, max-age={max_age}"), ("ETag", etag))
    if _matches(etag, if_none_match):
        return Answer(304, caching, b"")
    content = (("Content-Type", JWK_SET_MEDIA_TYPE), ("X-Content-Type-Options", "nosniff"))
    return Answer(200, (*caching, *content), written)


def _matches(etag: str, conditions: Sequence[str]) -> bool:
    """Compare weakly (RFC 9110 §13.1.2): a tag holds no quote inside, so to stand in the field is to be in its list."""
    joined = ",".join(conditions).strip()
    return joined == "*" or etag in joined
