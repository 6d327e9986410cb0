"""The attacks of the demo, as a table: what is tried, how it is made, and how it must be refused."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg._jose import base64url
from signedmsg.cli.demo_receiver import BILLING, RECHECK, keys_of
from signedmsg.cli.demo_world import INVOICE, World, join, signing_input, split
from signedmsg.cli.jwks import compose, publish
from signedmsg.keys.signing import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._jose.strict_json import JSONValue

# FIPS 186-5, P-256: the order of the group.
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NEGATIVE: Final[dict[str, JSONValue]] = INVOICE | {"amount": -1}
ELSEWHERE: Final = "https://other.example/inbox"
MALLORY: Final = "https://mallory.example"


class Expected(NamedTuple):
    """The answer's status and public code, and the code of the receiver's own reason."""

    status: int
    answered: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attack:
    """One row of the table; `make` prepares whatever it needs and returns the token to post."""

    title: str
    make: Callable[[World], str]
    expected: Expected


def _tampered(world: World) -> str:
    header, claims, signature = split(world.genuine)
    message = dict(claims["msg"], data=INVOICE | {"amount": 99_000_000})
    return join(header, claims | {"msg": message}, signature)


def _forged(world: World) -> str:
    header, claims, _ = split(world.genuine)
    mallory = SigningKey.generate(world.billing.alg)
    return join(header, claims, mallory.sign(signing_input(header, claims).encode()))


def _alg_none(world: World) -> str:
    header, claims, signature = split(world.genuine)
    return join(header | {"alg": "none"}, claims, signature)


def _alg_hs256(world: World) -> str:
    """Sign with HMAC, keyed with the public key: verifiers that let the header choose accept this."""
    header, claims, _ = split(world.genuine)
    header["alg"] = "HS256"
    public = world.billing.public.to_pem().encode()
    return join(header, claims, hmac.digest(public, signing_input(header, claims).encode(), hashlib.sha256))


def _own_key_in_header(world: World) -> str:
    header, claims, _ = split(world.genuine)
    mallory = SigningKey.generate(world.billing.alg)
    header["jwk"] = mallory.public.to_jwk()
    return join(header, claims, mallory.sign(signing_input(header, claims).encode()))


def _lives_a_day(world: World) -> str:
    return _signed_by_hand(world, lambda claims: claims.update(exp=claims["iat"] + 86_400))


def _too_late(world: World) -> str:
    return _signed_by_hand(world, lambda claims: claims["msg"].update(until=claims["iat"] - 60))


def _signed_by_hand(world: World, change: Callable[[dict[str, Any]], None]) -> str:
    """Return a token that the honest sender's key signed, though the SDK would refuse to."""
    header, claims, _ = split(world.sign())
    change(claims)
    return join(header, claims, world.billing.sign(signing_input(header, claims).encode()))


def _twin(world: World) -> str:
    """Return the genuine token with the other signature that verifies just as well: (r, n - s)."""
    header, payload, signature = world.genuine.split(".")
    octets = base64url.decode(signature)
    twin = octets[:32] + (_ORDER - int.from_bytes(octets[32:], "big")).to_bytes(32, "big")
    return f"{header}.{payload}.{base64url.encode(twin)}"


def _after_a_crash(world: World) -> str:
    world.receiver.restart()
    return world.genuine


def _publish(world: World, sequence: int, key: SigningKey, *, revoked: tuple[str, ...] = ()) -> None:
    """Replace billing's directory, and wait until the receiver will look at it again."""
    publish(keys_of(world.folder, BILLING), compose([key.public], issuer=BILLING, sequence=sequence, revoked=revoked))
    time.sleep(RECHECK * 1.2)


def _rotated(world: World) -> str:
    _publish(world, 2, world.newer, revoked=(world.billing.kid,))
    return world.sign(world.newer)


def _rolled_back(world: World) -> str:
    _publish(world, 1, world.billing)
    return world.sign()


ACCEPTED: Final = Expected(204)
INVALID_SIGNATURE: Final = Expected(401, "verification_failed", "invalid_signature")
UNKNOWN_KEY: Final = Expected(401, "verification_failed", "unknown_key")
KEY_NOT_VALID: Final = Expected(401, "verification_failed", "key_not_valid")
UNKNOWN_ISSUER: Final = Expected(401, "verification_failed", "unknown_issuer")


def refused(status: int, code: str) -> Expected:
    """Return a refusal whose reason the sender is told as it is."""
    return Expected(status, code, code)


TABLE: Final[dict[str, tuple[Attack, ...]]] = {
    "altered or forged": (
        Attack("the amount raised", _tampered, INVALID_SIGNATURE),
        Attack("another key, same kid", _forged, INVALID_SIGNATURE),
        Attack("in another issuer's name", lambda world: world.sign(world.store), UNKNOWN_KEY),
        Attack('no signature: alg "none"', _alg_none, refused(400, "unsupported")),
        Attack("HS256 with the public key", _alg_hs256, refused(400, "unsupported")),
        Attack("a key in its own header", _own_key_in_header, refused(400, "unsupported")),
        Attack("the genuine token itself", lambda world: world.genuine, ACCEPTED),
    ),
    "seen before": (
        Attack("the same token again", lambda world: world.genuine, refused(409, "replayed")),
        Attack("its signature's twin", _twin, refused(409, "replayed")),
        Attack("after a crash and restart", _after_a_crash, refused(409, "replayed")),
    ),
    "out of its time": (
        Attack("signed an hour ago", lambda world: world.sign(at=-3600), refused(401, "expired")),
        Attack("dated ten minutes ahead", lambda world: world.sign(at=600), refused(401, "not_yet_valid")),
        Attack("valid for a whole day", _lives_a_day, refused(401, "lifetime")),
        Attack("past its own deadline", _too_late, refused(422, "too_late")),
    ),
    "not for here": (
        Attack("for another receiver", lambda world: world.sign(audience=ELSEWHERE), refused(401, "audience")),
        Attack("an issuer nobody trusts", lambda world: world.sign(issuer=MALLORY), UNKNOWN_ISSUER),
        Attack("a type it may not send", lambda world: world.sign(type="order.placed"), refused(403, "not_allowed")),
        Attack("a type without a handler", lambda world: world.sign(type="invoice.lost"), refused(422, "unknown_type")),
        Attack("data that fits no model", lambda world: world.sign(data=NEGATIVE), refused(422, "payload")),
    ),
    "no token at all": (
        Attack("garbage", lambda _world: "\x00garbage\xff" * 9, refused(400, "malformed")),
        Attack("300 KB of it", lambda _world: "A" * 300_000, refused(413, "too_large")),
        Attack("an empty body", lambda _world: "", refused(400, "credentials_missing")),
    ),
    "keys changed meanwhile": (
        Attack("a new key, just published", _rotated, ACCEPTED),
        Attack("the old key, now revoked", lambda world: world.sign(), KEY_NOT_VALID),
        Attack("an old directory put back", _rolled_back, KEY_NOT_VALID),
    ),
}
