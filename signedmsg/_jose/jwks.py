"""One issuer's public keys as a JWK Set (RFC 7517 §5), read strictly or member by member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, cast

from signedmsg._jose import strict_json
from signedmsg._jose.jwk import KID, PublicKey
from signedmsg._jose.material import KEY_TYPES
from signedmsg._jose.secret_material import PRIVATE_MEMBERS
from signedmsg.errors import InvalidKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from signedmsg._jose.strict_json import JSONValue

MAX_DOCUMENT_SIZE: Final = 128 * 1024
MAX_KEYS: Final = 64

TWO_ALGORITHMS: Final = "the same key stands with two algorithms; one key has one (RFC 8725 §3.1)"


@dataclass(frozen=True, slots=True)
class RefusedMember:
    """A member of a JWK Set that is not used.

    Attributes:
        index: its place in `keys`, from 0.
        kid: its kid, if it has a well-formed one.
        reason: what is wrong with it, without any of its key material.
        code: `private_key`, `duplicate_kid` or `invalid_key`.
    """

    index: int
    kid: str | None
    reason: str
    code: str


class JWKSet:
    """Public keys by kid. Immutable.

    Raises:
        TypeError: something else than a `PublicKey` was given.
        InvalidKeyError: two keys have one kid, or one key has two algorithms.
    """

    __slots__ = ("_keys",)

    _keys: dict[str, PublicKey]

    def __init__(self, *keys: PublicKey) -> None:
        by_kid: dict[str, PublicKey] = {}
        for key in keys:
            _check_type(key)
            if key.kid in by_kid:
                raise InvalidKeyError(f"kid: {key.kid!r} stands for two keys", code="duplicate_kid")
            by_kid[key.kid] = key
        if of_two_algorithms(keys):
            raise InvalidKeyError(TWO_ALGORITHMS)
        object.__setattr__(self, "_keys", by_kid)

    @classmethod
    def from_json(cls, document: str | bytes) -> JWKSet:
        """Read a JWK Set in which every member must be good.

        Members of an unknown `kty` and encryption keys are skipped.

        Raises:
            InvalidKeyError: naming every refused member at once.
        """
        keys, refused = parse_jwk_set(_decode(document))
        if refused:
            named = "; ".join(f"keys[{one.index}] (kid {one.kid!r}): {one.reason}" for one in refused)
            codes = {one.code for one in refused}
            code = "private_key" if "private_key" in codes else codes.pop() if len(codes) == 1 else None
            raise InvalidKeyError(named, code=code)
        return keys

    def get(self, kid: str) -> PublicKey | None:
        """Return the key of this kid, or None."""
        return self._keys.get(kid)

    def to_jwks(self) -> dict[str, JSONValue]:
        """Return the JWK Set as it is published."""
        return {"keys": [key.to_jwk() for key in self]}

    def to_json(self) -> str:
        """Return the JWK Set as JSON text."""
        return strict_json.dumps(self.to_jwks()).decode("utf-8")

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, kid: object) -> bool:
        return kid in self._keys

    def __repr__(self) -> str:
        return f"JWKSet({', '.join(map(repr, self))})"

    def __reduce__(self) -> tuple[object, ...]:
        return JWKSet, tuple(self)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a JWK Set is immutable")


def parse_jwk_set(document: Mapping[str, object]) -> tuple[JWKSet, tuple[RefusedMember, ...]]:
    """Read a JWK Set whose bad members are left out and reported (RFC 7517 §5).

    Raises:
        InvalidKeyError: `keys` is missing, no array, or longer than `MAX_KEYS`.
    """
    members = cast("list[object]", document.get("keys"))
    if not isinstance(members, list | tuple):
        raise InvalidKeyError("keys: a JWK Set has an array of this name")
    if len(members) > MAX_KEYS:
        raise InvalidKeyError(f"keys: expected at most {MAX_KEYS} members, got {len(members)}")
    read = [_read(index, member) for index, member in enumerate(members)]
    # Two keys of one name: whoever looks it up could get either (RFC 7517 §4.5), so nobody gets any.
    times = Counter(one.kid for one in read if one is not None and one.kid is not None)
    two_faced = of_two_algorithms(one for one in read if isinstance(one, PublicKey))
    good: list[PublicKey] = []
    refused: list[RefusedMember] = []
    for index, one in enumerate(read):
        if isinstance(one, RefusedMember):
            refused.append(one)
        elif one is not None and times[one.kid] > 1:
            refused.append(RefusedMember(index, one.kid, "another member has the same kid", "duplicate_kid"))
        elif one is not None and one.thumbprint in two_faced:
            refused.append(RefusedMember(index, one.kid, TWO_ALGORITHMS, "invalid_key"))
        elif one is not None:
            good.append(one)
    return JWKSet(*good), tuple(refused)


def of_two_algorithms(keys: Iterable[PublicKey]) -> set[str]:
    """Return the thumbprints of keys that stand with more than one algorithm (RFC 8725 §3.1)."""
    pairs = {(key.thumbprint, key.alg) for key in keys}
    return {thumbprint for thumbprint, times in Counter(thumbprint for thumbprint, _ in pairs).items() if times > 1}


def _read(index: int, member: object) -> PublicKey | RefusedMember | None:
    """Return the key, why it is refused, or None when the member is none of our business."""
    if not isinstance(member, Mapping):
        return RefusedMember(index, None, "a JWK is a JSON object", "invalid_key")
    member = cast("Mapping[str, object]", member)
    # A secret that was published is an alarm, whatever key it belongs to.
    if PRIVATE_MEMBERS.isdisjoint(member) and _is_foreign(member):
        return None
    try:
        return PublicKey.from_jwk(member)
    except InvalidKeyError as error:
        kid = member.get("kid")
        named = kid if isinstance(kid, str) and KID.fullmatch(kid) else None
        return RefusedMember(index, named, str(error), error.code)


def _is_foreign(jwk: Mapping[str, object]) -> bool:
    kty = jwk.get("kty")
    return jwk.get("use") == "enc" or (isinstance(kty, str) and kty not in KEY_TYPES and kty != "oct")


def _check_type(key: object) -> None:
    if not isinstance(key, PublicKey):
        hint = "; pass its .public half" if hasattr(key, "public") else ""
        if type(key) in (list, tuple):
            hint = "; pass the keys one by one: JWKSet(*keys)"
        raise TypeError(f"expected a PublicKey, got {type(key).__name__}{hint}")


def _decode(document: str | bytes) -> dict[str, JSONValue]:
    # A lone surrogate has no UTF-8 form; passed on as it is, the strict parser refuses it.
    written = document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document
    if len(written) > MAX_DOCUMENT_SIZE:
        raise InvalidKeyError(f"the document is larger than {MAX_DOCUMENT_SIZE} bytes")
    try:
        return strict_json.loads_object(written)
    except ValueError as error:
        raise InvalidKeyError(f"the document is not strict JSON: {error}") from None
