"""What a receiver accepts as a call: where it is reached, under which scheme, how large; checked when built."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from signedmsg._core.components import REQUEST_TYP
from signedmsg._core.policy import between, check
from signedmsg._core.target import decoded, is_ambiguous, normal_path
from signedmsg._core.urls import parse_url
from signedmsg._jose.shown import shown

if TYPE_CHECKING:
    from signedmsg._core.policy import ReceivePolicy

DEFAULT_SCHEME: Final = "Bearer"
DEFAULT_MAX_BODY: Final = 1_048_576
MAX_HEADER_TOKEN: Final = 8 * 1024
# RFC 9110 §11.1: a token, here without what a challenge would have to quote.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]{0,63}")


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """Everything a receiver checks of a call that is not a key: see `Receiver` for each member.

    Attributes:
        audience: the `aud` that tokens must carry; an origin has no slash at its end.
        origin: the scheme and authority under which callers reach this service.
        prefix: the path in front of the application's own paths, or "".
        prefix_octets: the same, decoded.
    """

    audience: str
    leeway: float
    max_lifetime: int
    origin: str
    prefix: str
    scheme: str = DEFAULT_SCHEME
    max_body: int = DEFAULT_MAX_BODY
    prefix_octets: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prefix_octets", decoded(self.prefix))

    typ = REQUEST_TYP
    max_size = MAX_HEADER_TOKEN


def problem_of_scheme(scheme: object) -> str | None:
    """Return what is wrong with a configured scheme, or None."""
    if isinstance(scheme, str) and _SCHEME.fullmatch(scheme):
        return None
    return f"scheme: expected an authentication scheme such as Bearer, got {shown(scheme)}"


def problem_of_max_body(max_body: object) -> str | None:
    """Return what is wrong with a configured cap, or None."""
    if type(max_body) is not int:
        return f"max_body: expected a whole number of bytes, got {shown(max_body)}"
    return between("max_body", max_body, 0, 2**30, "bytes")


def call_policy(policy: ReceivePolicy, external_url: str | None, scheme: str, max_body: int) -> CallPolicy:
    """Return the policy for calls of a receiver.

    Raises:
        TypeError, ValueError: it cannot take calls.
    """
    for name, value in (("account", policy.account), ("tokens", policy.tokens)):
        if value is not None:
            raise ValueError(f"{name}: a call has none, so a receiver that sets it takes no calls; build a second one")
    origin, prefix = _place(policy.audience, external_url)
    # An origin is written without a slash, which an envelope's audience has (RFC 6454 §6.2).
    audience = policy.audience
    if is_url(audience) and parse_url(audience).path == "/":
        audience = audience.removesuffix("/")
    return CallPolicy(audience, policy.leeway, policy.max_lifetime, origin, prefix, scheme, max_body)


def calls_of(policy: ReceivePolicy, external_url: str | None, scheme: str, max_body: int) -> CallPolicy | str:
    """Return the policy for calls, or why a receiver that was not told to take any cannot do so.

    Raises:
        TypeError, ValueError: an option for calls is wrong.
    """
    check((problem_of_scheme(scheme), problem_of_max_body(max_body)))
    try:
        return call_policy(policy, external_url, scheme, max_body)
    except ValueError as error:
        if external_url is not None:
            raise
        return str(error)


def is_url(audience: str) -> bool:
    """Return whether a normal audience is the URL of a web service."""
    return audience.startswith(("https://", "http://"))


def _place(audience: str, external_url: str | None) -> tuple[str, str]:
    """Return the origin and the path prefix of a service; neither ever comes from a request."""
    if external_url is None:
        url = parse_url(audience) if is_url(audience) else None
        if url is None or url.path != "/":
            raise ValueError(
                "external_url: calls need the URL at which callers reach this service, "
                "since the audience is no origin such as https://shop.example"
            )
        return url.origin, ""
    if not isinstance(external_url, str):
        raise TypeError(f"external_url: expected a str, got {type(external_url).__name__}")
    if "?" in external_url or "#" in external_url:
        raise ValueError("external_url: a URL without query and fragment")
    try:
        url = parse_url(external_url)
        prefix = normal_path(url.path).removesuffix("/")
    except ValueError as error:
        raise ValueError(f"external_url: {error}") from None
    if is_ambiguous(prefix + "/"):
        raise ValueError("external_url: its path has an empty segment or a dot segment")
    return url.origin, prefix
