"""Key directory documents: read strictly, and joined where a folder holds several."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from signedmsg._jose import strict_json
from signedmsg._jose.jwk import KID, PublicKey
from signedmsg._jose.jwks import (
    MAX_DOCUMENT_SIZE,
    TWO_ALGORITHMS,
    JWKSet,
    RefusedMember,
    of_two_algorithms,
    parse_jwk_set,
)
from signedmsg._jose.secret_material import PRIVATE_MEMBERS
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIVATE: Final = (
    "this is a private key; receivers need only its public half, in a document as `signedmsg jwks` writes it"
)


class Document(NamedTuple):
    """A key directory document (a superset of a JWK Set, RFC 7517 §5) that was read and checked."""

    keys: JWKSet
    refused: tuple[RefusedMember, ...]
    revoked: frozenset[str]
    issuer: str | None
    sequence: int | None

    @property
    def kids(self) -> set[str]:
        """Every kid that stands in it, those of refused members included."""
        return {key.kid for key in self.keys} | {member.kid for member in self.refused if member.kid is not None}


def parse_document(written: bytes) -> Document:
    """Read one document; a bad member is refused alone, a malformed document altogether.

    Raises:
        InvalidKeyError: it is no JWK Set, or one of its own members has the wrong form.
    """
    if len(written) > MAX_DOCUMENT_SIZE:
        raise InvalidKeyError(f"the document is larger than {MAX_DOCUMENT_SIZE} bytes")
    try:
        document = strict_json.loads_object(written)
    except ValueError as error:
        if b"PRIVATE KEY-----" in written:
            raise InvalidKeyError(_PRIVATE, code="private_key") from None
        raise InvalidKeyError(f"the document is not strict JSON: {error}") from None
    if "kty" in document and "keys" not in document and not PRIVATE_MEMBERS.isdisjoint(document):
        raise InvalidKeyError(_PRIVATE, code="private_key")
    keys, refused = parse_jwk_set(document)
    issuer = document.get("issuer")
    if issuer is not None and not isinstance(issuer, str):
        raise InvalidKeyError("issuer: expected a string")
    sequence = document.get("sequence")
    if sequence is not None and (type(sequence) is not int or not 0 <= sequence < 2**53):
        raise InvalidKeyError("sequence: expected an integer in [0, 2^53)")
    return Document(keys, refused, _revoked(document), issuer, sequence)


def _revoked(document: Mapping[str, object]) -> frozenset[str]:
    entries = document.get("revoked", [])
    if not isinstance(entries, list):
        raise InvalidKeyError("revoked: expected an array")
    kids: set[str] = set()
    for entry in cast("list[object]", entries):
        kid = cast("dict[str, object]", entry).get("kid") if isinstance(entry, dict) else None
        # A revocation that cannot be read must not be passed over: it would keep a stolen key alive.
        if not isinstance(kid, str) or not KID.fullmatch(kid):
            raise InvalidKeyError("revoked: each entry is an object with a kid")
        kids.add(kid)
    return frozenset(kids)


def parse_documents(written: tuple[bytes, ...]) -> Document:
    """Read the documents of a source as one."""
    return merge([parse_document(one) for one in written])


def merge(documents: list[Document]) -> Document:
    """Join the documents of one folder; a kid that stands in two of them is usable in none."""
    times = Counter(kid for document in documents for kid in document.kids)
    refused = [member for document in documents for member in document.refused]
    refused += [
        RefusedMember(0, kid, "the kid stands in two documents", "duplicate_kid")
        for kid in sorted(times)
        if times[kid] > 1
    ]
    alone = [key for document in documents for key in document.keys if times[key.kid] == 1]
    two_faced = of_two_algorithms(alone)
    refused += [
        RefusedMember(0, key.kid, TWO_ALGORITHMS, "invalid_key") for key in alone if key.thumbprint in two_faced
    ]
    issuers = {document.issuer for document in documents if document.issuer is not None}
    if len(issuers) > 1:
        raise InvalidKeyError("issuer: the documents of one folder name different issuers")
    return Document(
        keys=JWKSet(*(key for key in alone if key.thumbprint not in two_faced)),
        refused=tuple(refused),
        revoked=frozenset().union(*(document.revoked for document in documents)),
        issuer=next(iter(issuers), None),
        sequence=max((one.sequence for one in documents if one.sequence is not None), default=None),
    )


def parse_key(written: tuple[bytes, ...], kid: str, rsa: str) -> Document:
    """Read the one PEM that a repository has under a kid; none at all is a set without keys.

    A PEM does not say which algorithm an RSA key is for, so `rsa` does.
    """
    keys = [_read_pem(pem, kid, rsa) for pem in written]
    return Document(JWKSet(*keys), (), frozenset(), None, None)


def _read_pem(pem: bytes, kid: str, rsa: str) -> PublicKey:
    try:
        return PublicKey.from_pem(pem, kid=kid)
    except InvalidKeyError:
        return PublicKey.from_pem(pem, kid=kid, alg=rsa)
