"""`ring.json`: a ring as JSON, version 1, and back again; what is not exactly that is refused."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, cast

from signedmsg._core.policy import MAX_LIFETIME, check, problem_of_issuer
from signedmsg._core.ring import MAX_SOFT_LIFETIME, MIN_SOFT_LIFETIME, STAGES, Ring, RingKey
from signedmsg._jose import strict_json
from signedmsg._jose.jwk import PublicKey
from signedmsg._jose.jwks import JWKSet
from signedmsg.errors import InvalidKeyError, KeyRingError

if TYPE_CHECKING:
    from signedmsg._jose.strict_json import JSONValue

VERSION: Final = 1
MAX_RING_SIZE: Final = 2 * 1024 * 1024
_LIMIT: Final = 2**53
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_TIMES: Final = tuple(field.name for field in fields(RingKey) if field.name.endswith("_at"))
# The time that must be there for a stage.
_NEEDED: Final = {"active": "activated_at", "retired": "retired_at", "removed": "removed_at", "revoked": "revoked_at"}
_RING_MEMBERS: Final = {"version", *(field.name for field in fields(Ring))}
_KEY_MEMBERS: Final = {"jwk", "stage", "reason", *_TIMES}


def check_ring(ring: Ring) -> Ring:
    """Return the ring, or raise one ValueError that names what is wrong with its own values."""
    check(
        (
            problem_of_issuer(ring.issuer),
            _within("sequence", ring.sequence, 0, _LIMIT - 1),
            _within("soft_lifetime", ring.soft_lifetime, MIN_SOFT_LIFETIME, MAX_SOFT_LIFETIME),
            _within("max_lifetime", ring.max_lifetime, 1, MAX_LIFETIME),
            None
            if ring.password_env is None or (isinstance(ring.password_env, str) and _NAME.fullmatch(ring.password_env))
            else "password_env: expected the name of an environment variable",
        )
    )
    return ring


def _within(name: str, value: object, low: int, high: int) -> str | None:
    if type(value) is int and low <= value <= high:
        return None
    return f"{name}: expected an integer from {low} to {high}"


def dump_ring(ring: Ring) -> bytes:
    """Return the ring as it is written."""
    document: dict[str, JSONValue] = {"version": VERSION}
    for field in fields(Ring):
        document[field.name] = getattr(ring, field.name)
    document["keys"] = [_dump_key(key) for key in ring.keys]
    return strict_json.dumps(document) + b"\n"


def _dump_key(key: RingKey) -> JSONValue:
    written: dict[str, JSONValue] = {"jwk": key.public.to_jwk(), "stage": key.stage, "reason": key.reason}
    return written | {name: cast("int | None", getattr(key, name)) for name in _TIMES}


def parse_ring(written: bytes) -> Ring:
    """Read what `dump_ring` wrote.

    Raises:
        KeyRingError: it is something else, damaged, or of a later version.
    """
    if len(written) > MAX_RING_SIZE:
        raise KeyRingError(f"larger than {MAX_RING_SIZE} bytes")
    try:
        document = cast("dict[str, object]", strict_json.loads_object(written))
        if document.get("version") != VERSION:
            raise KeyRingError(f"version: expected {VERSION}; a later version of signedmsg may have written it")
        return _ring(document)
    except InvalidKeyError as error:
        raise KeyRingError(f"a key in it must not be used: {error}") from None
    except (TypeError, ValueError) as error:
        raise KeyRingError(str(error)) from None


def _ring(document: dict[str, object]) -> Ring:
    _check_members(document, _RING_MEMBERS)
    # Of whatever type they are: `check_ring` looks at the rest.
    values = cast("dict[str, Any]", {name: document[name] for name in document.keys() - {"version", "keys"}})
    for name in ("changed_at", "exported"):
        _check_time(name, values[name], optional=name == "exported")
    members = document["keys"]
    if not isinstance(members, list):
        raise TypeError("keys: expected an array")
    keys = tuple(_key(member) for member in cast("list[object]", members))
    # Refuses two keys of one kid, and one key under two algorithms.
    JWKSet(*(key.public for key in keys))
    if sum(key.stage == "active" for key in keys) > 1:
        raise ValueError("keys: more than one is active")
    return check_ring(Ring(**values, keys=keys))


def _key(member: object) -> RingKey:
    if not isinstance(member, dict):
        raise TypeError("keys: expected objects")
    member = cast("dict[str, object]", member)
    _check_members(member, _KEY_MEMBERS)
    stage, jwk, reason = member["stage"], member["jwk"], member["reason"]
    if stage not in STAGES or not isinstance(jwk, dict) or not (reason is None or isinstance(reason, str)):
        raise ValueError("keys: a member's stage, jwk or reason has the wrong form")
    for name in _TIMES:
        _check_time(name, member[name], optional=name not in ("published_at", _NEEDED.get(stage)))
    times = {name: cast("int", member[name]) for name in _TIMES}
    public = PublicKey.from_jwk(cast("dict[str, object]", jwk))
    return RingKey(public, stage, reason=reason, **times)


def _check_members(found: dict[str, object], expected: set[str]) -> None:
    if found.keys() != expected:
        odd = ", ".join(sorted(found.keys() ^ expected))
        raise ValueError(f"members that are missing or unknown: {odd}")


def _check_time(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if type(value) is not int or not 0 <= value < _LIMIT:
        raise ValueError(f"{name}: expected an integer in [0, 2^53)")
