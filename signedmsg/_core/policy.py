"""What a receiver accepts and what a sender may send; immutable, checked when built.

Every problem of a configuration is named at once, in one `ValueError`, when the
object is made: a verifier that was built never fails for its configuration.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from signedmsg._core.call_patterns import allows, problem_of_call_pattern
from signedmsg._core.claims import FORBIDDEN, ISSUER, LABEL, REGISTERED
from signedmsg._core.urls import normal_audience
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.shown import shown
from signedmsg.errors import NotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVELOPE_TYP: Final = "vnd.signedmsg+jwt"
DEFAULT_LIFETIME: Final = 60
MAX_LIFETIME: Final = 300
DEFAULT_LEEWAY: Final = 30.0
MAX_LEEWAY: Final = 60.0
MAX_TOKEN_SIZE: Final = 256 * 1024
# Beyond this a plainer token is no longer short-lived, whoever minted it.
MAX_PLAIN_LIFETIME: Final = 3600
# How long after a token's last possible moment its id is still remembered, in seconds.
REPLAY_MARGIN: Final = 120.0

_TYP = re.compile(r"[A-Za-z0-9!#$&^_.+-]+(/[A-Za-z0-9!#$&^_.+-]+)?")


def check(problems: Iterable[str | None]) -> None:
    """Raise one `ValueError` that names every problem of a configuration."""
    found = [problem for problem in problems if problem]
    if found:
        raise ValueError("; ".join(found))


def between(name: str, value: object, low: float, high: float, unit: str) -> str | None:
    """Return a problem unless `value` is a finite number in [low, high]."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
        return None
    return f"{name}: expected {_plain(low)} to {_plain(high)} {unit}, got {shown(value)}"


def _plain(bound: float) -> str:
    """Return 1073741824 and not 1.07374e+09."""
    return str(int(bound)) if bound == int(bound) else f"{bound:g}"


def problem_of_audience(audience: str) -> str | None:
    """Return what is wrong with a configured audience, or None."""
    try:
        normal_audience(audience)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTokens:
    """Accept JWTs of a plainer shape that another library minted, as messages of one type.

    `iss`, `aud` (one string), `iat`, `exp` and `jti` stay required, the header stays
    closed and `kid` required: without them nothing can be looked up, bounded or
    recognised as a replay. The token's remaining claims are the message's data.

    Args:
        typ: the `typ` header expected, or None when the header must have none
            (RFC 8725 §3.11).
        type: the message type such a token stands for; the issuer's `allow` and the
            router see it.
        required: names of further claims that must be present. `sub`, `events`,
            `scope` and `client_id` are refused unless named here, so that an access
            token of the same issuer does not pass for a message.
        max_lifetime: the longest `exp - iat` accepted, in seconds, at most 3600.
    """

    typ: str | None
    type: str
    required: tuple[str, ...] = ()
    max_lifetime: int = MAX_LIFETIME

    def __post_init__(self) -> None:
        if isinstance(self.required, str):
            raise TypeError("required: expected a sequence of claim names, got one str")
        object.__setattr__(self, "required", tuple(self.required))
        check(
            (
                None
                if self.typ is None or (isinstance(self.typ, str) and _TYP.fullmatch(self.typ))
                else "typ: expected a media type or None",
                None
                if isinstance(self.type, str) and LABEL.fullmatch(self.type)
                else "type: expected 1 to 256 characters without controls",
                None
                if all(isinstance(name, str) and name for name in self.required)
                else "required: expected claim names",
                between("max_lifetime", self.max_lifetime, 1, MAX_PLAIN_LIFETIME, "seconds"),
            )
        )

    @property
    def refused_claims(self) -> tuple[str, ...]:
        """The claims whose presence refuses a token."""
        return tuple(name for name in FORBIDDEN if name not in self.required)

    @property
    def own_claims(self) -> frozenset[str]:
        """The claims that are not part of the message's data."""
        return REGISTERED


@dataclass(frozen=True, slots=True)
class ReceivePolicy:
    """Everything a receiver checks that is not a key: see `Receiver` for each member."""

    audience: str
    leeway: float = DEFAULT_LEEWAY
    max_lifetime: int = MAX_LIFETIME
    max_size: int = MAX_TOKEN_SIZE
    account: str | None = None
    tokens: PlainTokens | None = None

    def __post_init__(self) -> None:
        check(
            (
                problem_of_audience(self.audience),
                between("leeway", self.leeway, 0, MAX_LEEWAY, "seconds"),
                between("max_lifetime", self.max_lifetime, 1, MAX_LIFETIME, "seconds"),
                between("max_size", self.max_size, 256, 2**30, "bytes"),
                None
                if self.account is None or (isinstance(self.account, str) and LABEL.fullmatch(self.account))
                else "account: expected 1 to 256 characters without controls",
                None
                if self.tokens is None or isinstance(self.tokens, PlainTokens)
                else "tokens: expected PlainTokens or None",
            )
        )
        object.__setattr__(self, "audience", normal_audience(self.audience))

    @property
    def typ(self) -> str | None:
        """The one kind of token accepted."""
        return self.tokens.typ if self.tokens else ENVELOPE_TYP

    @property
    def lifetime_cap(self) -> int:
        """The longest `exp - iat` accepted, in seconds."""
        return self.tokens.max_lifetime if self.tokens else self.max_lifetime


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """What a sender signs as: see `Sender` for each member."""

    issuer: str
    lifetime: int = DEFAULT_LIFETIME
    max_size: int = MAX_TOKEN_SIZE
    account: str | None = None

    def __post_init__(self) -> None:
        check(
            (
                problem_of_issuer(self.issuer),
                between("lifetime", self.lifetime, 1, MAX_LIFETIME, "seconds"),
                None if type(self.lifetime) is int else "lifetime: expected whole seconds (an int)",
                between("max_size", self.max_size, 256, 2**30, "bytes"),
                None
                if self.account is None or (isinstance(self.account, str) and LABEL.fullmatch(self.account))
                else "account: expected 1 to 256 characters without controls",
            )
        )


def problem_of_issuer(issuer: object) -> str | None:
    """Return what is wrong with a configured issuer, or None."""
    if isinstance(issuer, str) and ISSUER.fullmatch(issuer):
        return None
    return f"issuer: expected 1 to 256 visible ASCII characters, got {shown(issuer)}"


@dataclass(frozen=True, slots=True)
class Trust:
    """What one issuer may do: the message types it may send and the algorithms it may use.

    A pattern of `allow` is an exact type, a prefix that ends in `.*` (`invoice.*`
    matches `invoice.paid`, not `invoice`), or `*` for everything. One with a space is for
    calls alone: a method or `*`, and a path or everything below one (`GET /v1/*`).
    """

    issuer: str
    allow: tuple[str, ...]
    algorithms: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.allow, str):
            raise TypeError(f'allow: expected a list of patterns, got one str; write ["{self.allow}"]')
        object.__setattr__(self, "allow", tuple(self.allow))
        if self.algorithms is not None:
            if isinstance(self.algorithms, str):
                raise TypeError("algorithms: expected a collection of names, got one str")
            object.__setattr__(self, "algorithms", frozenset(self.algorithms))
        check(
            (
                problem_of_issuer(self.issuer),
                *(_problem_of_pattern(pattern) for pattern in self.allow),
                None if self.algorithms is None or self.algorithms else "algorithms: expected at least one, or None",
                *(
                    f"algorithms: {name!r} is not known here"
                    for name in sorted(self.algorithms or (), key=repr)
                    if name not in ALGORITHMS
                ),
            )
        )

    def authorize(self, type_: str) -> None:
        """Return when this issuer may send messages of that type.

        Raises:
            NotAllowedError: no pattern of `allow` matches.
        """
        for pattern in self.allow:
            if pattern == "*":
                return
            # A type may hold a space, but what allows a call never allows a message.
            if " " not in pattern and (pattern == type_ or (pattern.endswith(".*") and type_.startswith(pattern[:-1]))):
                return
        raise NotAllowedError(
            "type: the issuer is known but may not send messages of this type",
            hint=f"allowed for {self.issuer}: {', '.join(self.allow) or 'nothing'}",
        )

    def authorize_call(self, method: str, path: str) -> None:
        """Return when this issuer may make calls of that method to that path, which is in normal form.

        Raises:
            NotAllowedError: no pattern of `allow` matches.
        """
        for pattern in self.allow:
            if pattern == "*":
                return
            if " " in pattern and allows(pattern, method, path):
                return
        raise NotAllowedError(
            "call: the issuer is known but may not make this call",
            hint=f"allowed for {self.issuer}: {', '.join(self.allow) or 'nothing'}",
        )


def _problem_of_pattern(pattern: object) -> str | None:
    if not isinstance(pattern, str) or not LABEL.fullmatch(pattern):
        return f"allow: expected a message type or pattern, got {shown(pattern)}"
    if " " in pattern:
        return problem_of_call_pattern(pattern)
    stem = pattern.removesuffix(".*")
    if "*" in stem and pattern != "*":
        return f'allow: {pattern!r}: "*" stands only alone or after the last dot'
    return None
