"""The parts of an HTTP message that a token binds, as RFC 9421 and RFC 9530 write them."""

from __future__ import annotations

import hashlib
import re
from binascii import Error, a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUEST_TYP: Final = "vnd.signedmsg.req+jwt"
RESPONSE_TYP: Final = "vnd.signedmsg.res+jwt"
RECEIPT_TYP: Final = "vnd.signedmsg.receipt+jwt"

# RFC 9110 §5.1, in the lower case in which RFC 9421 §2.1 writes the name of a field.
FIELD_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")

# Each makes some framework or proxy treat the request as one of another method.
_OVERRIDES: Final = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
# Each changes what a request asks for or how its body reads; so does every `if-*`. With a Content-Range a PUT
# writes a part, where it would have replaced the whole (RFC 9110 §14.5).
_GUARDED: Final = frozenset({"content-encoding", "content-range", "idempotency-key", "range", "if"})

# Most of what a request has; none of it is of either kind, and so it need not be looked at twice.
ORDINARY: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "authorization", "cache-control", "connection", "content-length",
    "content-type", "date", "forwarded", "host", "origin", "referer", "traceparent", "user-agent", "via",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id",
})  # fmt: skip

# The IANA registry (RFC 9530 §7.2) calls these two active; whatever else it has is broken or a checksum.
_SECURE: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
# A dictionary of byte sequences without parameters (RFC 9651 §3.2, §3.3.5).
_DIGEST: Final = re.compile(r"([a-z*][a-z0-9_.*-]{0,63})=:([A-Za-z0-9+/]{0,128}={0,2}):")


def meant_by(name: str) -> str:
    """Return which field a name in lower case means to a gateway interface: X_HTTP_METHOD is X-Http-Method there."""
    return name.replace("_", "-")


def overrides_method(meant: str) -> bool:
    """Return whether a field makes another method of the one that is signed; it is refused on both sides."""
    return meant in _OVERRIDES


def changes_request(meant: str) -> bool:
    """Return whether a field must be signed or absent: added or lost on the way, it changes the request."""
    return meant in _GUARDED or meant.startswith("if-")


def content_digest(body: bytes) -> str:
    """Return the `Content-Digest` of a body (RFC 9530 §2): `sha-256=:…:`."""
    return f"sha-256=:{b2a_base64(hashlib.sha256(body).digest(), newline=False).decode('ascii')}:"


def parse_content_digest(value: str) -> dict[str, bytes]:
    """Return the digests of a `Content-Digest` by algorithm; every one of them is secure.

    Raises:
        ValueError: it is no such list, an algorithm stands twice, or one is not accepted: a body
            that fits a digest which anyone can forge has not been bound (RFC 9530 §5).
    """
    found: dict[str, bytes] = {}
    for member in value.split(","):
        parts = _DIGEST.fullmatch(member.strip(" \t"))
        if parts is None:
            raise ValueError("not a list of digests")
        name, written = parts.groups()
        if name not in _SECURE:
            raise ValueError("an algorithm other than sha-256 and sha-512")
        if name in found:
            raise ValueError("an algorithm stands twice")
        found[name] = _octets(written)
        if len(found[name]) != _SECURE[name]().digest_size:
            raise ValueError("a digest of another length than its algorithm's")
    return found


def _octets(written: str) -> bytes:
    try:
        octets = a2b_base64(written, strict_mode=True)
    except Error:
        octets = b""
    # Even strictly read, stray bits behind the last octet would give one digest several spellings.
    if b2a_base64(octets, newline=False).decode("ascii") != written:
        raise ValueError("not canonical base64")
    return octets


def matches(digests: dict[str, bytes], body: bytes) -> bool:
    """Return whether every digest is that of the body, and there is one."""
    return bool(digests) and all(_SECURE[name](body).digest() == digest for name, digest in digests.items())


def field_value(values: Iterable[str]) -> str:
    """Return the one value of a field that may stand several times (RFC 9421 §2.1)."""
    return ", ".join(value.strip(" \t") for value in values)


def query_component(query: str) -> str:
    """Return the `@query` of a query without its question mark (RFC 9421 §2.2.7): none and an empty one are `?`."""
    return f"?{query}"
