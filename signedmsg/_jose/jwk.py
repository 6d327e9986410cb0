"""A public key as others publish it: one algorithm, a kid, its own validity, and nothing secret."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NoReturn, cast

from signedmsg._jose import base64url, pem, strict_json
from signedmsg._jose.algorithms import ALGORITHMS, REFUSALS
from signedmsg._jose.material import load_public, public_members
from signedmsg._jose.secret_material import PRIVATE_MEMBERS
from signedmsg.errors import InvalidKeyError, InvalidSignatureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signedmsg._jose.algorithms import Algorithm, Check, Public
    from signedmsg._jose.strict_json import JSONValue

# Nothing in it can end a string, climb a path or open a query, wherever a kid may be looked up.
KID: Final = re.compile(r"[A-Za-z0-9._~:+=@/-]{1,128}")
_MAX_DATE: Final = 2**53


class PublicKey:
    """A public key that may verify signatures of one algorithm. Immutable.

    Attributes:
        alg: the one JWS algorithm it is for (RFC 8725 §3.1).
        kid: its id within its issuer's set.
        not_before: the NumericDate before which it is not to be used, or None.
        expires: the NumericDate from which on it is not to be used, or None.
        thumbprint: the RFC 7638 thumbprint over SHA-256.
    """

    __slots__ = ("_check", "_key", "_members", "alg", "expires", "kid", "not_before", "thumbprint")

    alg: str
    kid: str
    not_before: int | None
    expires: int | None
    thumbprint: str
    _check: Check
    _key: Public
    _members: dict[str, str]

    def __init__(
        self,
        key: object,
        *,
        alg: str | None = None,
        kid: str | None = None,
        not_before: int | None = None,
        expires: int | None = None,
    ) -> None:
        """Take a public key of `cryptography`.

        Raises:
            InvalidKeyError: the key is weak or of another kind, or does not fit `alg`.
        """
        members = public_members(key)
        algorithm = _algorithm(members, alg)
        thumbprint = _thumbprint(members)
        _check_dates(not_before, expires)
        if kid is not None and not KID.fullmatch(kid):
            raise InvalidKeyError("kid: expected 1 to 128 characters of [A-Za-z0-9._~:+=@/-]")
        values = {
            "_check": algorithm.checker(cast("Public", key)),
            "_key": key,
            "_members": members,
            "alg": algorithm.name,
            "kid": thumbprint if kid is None else kid,
            "not_before": not_before,
            "expires": expires,
            "thumbprint": thumbprint,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> PublicKey:
        """Read a public JWK (RFC 7517); unknown members are ignored.

        Raises:
            InvalidKeyError: the key is weak, malformed or contradicts itself; `code` is
                `private_key` when it holds secret members.
        """
        secret = sorted(PRIVATE_MEMBERS & jwk.keys())
        if secret:
            raise InvalidKeyError(f"a public key is needed, this one has {', '.join(secret)}", code="private_key")
        check_use(jwk, "verify")
        return cls(
            load_public(jwk),
            alg=_text(jwk, "alg"),
            kid=_text(jwk, "kid"),
            not_before=_date(jwk, "nbf"),
            expires=_date(jwk, "exp"),
        )

    @classmethod
    def from_pem(cls, text: str | bytes, *, alg: str | None = None, kid: str | None = None) -> PublicKey:
        """Read a public key in PEM form (SPKI). An RSA key needs `alg`.

        Raises:
            InvalidKeyError: as for a JWK.
        """
        return cls(pem.load_public(text), alg=alg, kid=kid)

    @property
    def check(self) -> Check:
        """What `verify` calls, for those who know what to make of each of `REFUSALS`; the package's own business."""
        return self._check

    def verify(self, signature: bytes, signing_input: bytes) -> None:
        """Return only if `signature` is this key's over `signing_input`.

        Raises:
            InvalidSignatureError: for whatever reason it is not.
        """
        try:
            self._check(signature, signing_input)
        except REFUSALS:
            raise InvalidSignatureError("the signature does not verify under the key") from None

    def to_jwk(self) -> dict[str, JSONValue]:
        """Return the public JWK."""
        jwk: dict[str, JSONValue] = {**self._members, "kid": self.kid, "use": "sig", "alg": self.alg}
        if self.not_before is not None:
            jwk["nbf"] = self.not_before
        if self.expires is not None:
            jwk["exp"] = self.expires
        return jwk

    def to_pem(self) -> str:
        """Return the key as SPKI PEM: the key alone, without its kid, algorithm and validity."""
        return pem.dump_public(self._key)

    def _identity(self) -> tuple[object, ...]:
        return (self.thumbprint, self.alg, self.kid, self.not_before, self.expires)

    def __eq__(self, other: object) -> bool:
        return self._identity() == other._identity() if isinstance(other, PublicKey) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"PublicKey(alg={self.alg!r}, kid={self.kid!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return PublicKey.from_jwk, (self.to_jwk(),)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a public key is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a public key is immutable")


def check_use(jwk: Mapping[str, object], operation: str) -> None:
    """Refuse a key whose `use` or `key_ops` (RFC 7517 §4.2, §4.3) is not for signatures."""
    if jwk.get("use", "sig") != "sig":
        raise InvalidKeyError("use: expected sig")
    if "key_ops" not in jwk:
        return
    operations = cast("list[object]", jwk["key_ops"])
    if not isinstance(operations, list | tuple) or operation not in operations:
        raise InvalidKeyError(f"key_ops: expected an array with {operation} in it")
    # Anything else beside them is another use of the same key (RFC 7517 §4.3).
    if any(item not in ("sign", "verify") for item in operations) or len(operations) > len({*operations}):
        raise InvalidKeyError("key_ops: expected sign and verify, each at most once, and nothing else")


def _algorithm(members: Mapping[str, str], alg: str | None) -> Algorithm:
    """Return the key's one algorithm: the stated one if it fits, else the only one it has."""
    kty, crv = members["kty"], members.get("crv")
    fitting = [one.name for one in ALGORITHMS.values() if (one.kty, one.crv) == (kty, crv)]
    if "alg" in members:
        fitting = [members["alg"]]
    if alg is None:
        if kty == "RSA":
            # One key, one algorithm: the verifier must not let the token choose (RFC 8725 §3.1).
            raise InvalidKeyError(f"alg: an RSA key must say which of {', '.join(fitting)} it is for")
        return ALGORITHMS[fitting[0]]
    if alg not in fitting:
        raise InvalidKeyError(f"alg: a key of this type is for {' or '.join(fitting)}")
    return ALGORITHMS[alg]


def _thumbprint(members: Mapping[str, str]) -> str:
    """RFC 7638 §3: the required members in lexicographic order, without white space."""
    canonical = strict_json.dumps({name: members[name] for name in sorted(members)})
    return base64url.encode(sha256(canonical).digest())


def _text(jwk: Mapping[str, object], name: str) -> str | None:
    value = jwk.get(name)
    if name in jwk and not isinstance(value, str):
        raise InvalidKeyError(f"{name}: expected a string")
    return value if isinstance(value, str) else None


def _date(jwk: Mapping[str, object], name: str) -> int | None:
    value = jwk.get(name)
    # `type`, since True is an int to `isinstance`.
    if name in jwk and type(value) is not int:
        raise InvalidKeyError(f"{name}: expected an integer")
    return value if isinstance(value, int) else None


def _check_dates(not_before: int | None, expires: int | None) -> None:
    for name, value in (("nbf", not_before), ("exp", expires)):
        if value is not None and not 0 < value < _MAX_DATE:
            raise InvalidKeyError(f"{name}: expected seconds since 1970 in (0, 2^53)")
    if not_before is not None and expires is not None and not_before >= expires:
        raise InvalidKeyError("exp: the key expires before it becomes valid")
