"""The target of a request, and the one form in which two URLs of it are compared.

Paths are normalised as RFC 3986 §6.2.2 allows without changing what they mean:
escapes in upper case, and none where none is needed. Nothing is resolved: a path that
two parties could read as two resources is refused instead.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from signedmsg._core.urls import parse_url


def _either_case(digit: int) -> str:
    return f"[{digit:x}{digit:X}]"


# A longer one fits into no token, which holds path and query and is itself no larger.
MAX_TARGET: Final = 8 * 1024

_PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")
# Without an escape there is nothing to bring to normal form.
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_QUERY: Final = re.compile(r"[\x21\x22\x24-\x7e]*")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Also behind an escaped separator: some servers and frameworks decode a path before they resolve it.
_SEPARATOR: Final = r"(?:/|%2F|%5C)"
_AMBIGUOUS: Final = re.compile(rf"{_SEPARATOR}(?:{_SEPARATOR}|\.{{1,2}}(?:;|{_SEPARATOR}|\Z))")
_ESCAPED_SEPARATOR: Final = re.compile("%2F|%5C")
# Its letters, each as it is or escaped: every query is looked through, so none is decoded for it.
_ACCESS_TOKEN: Final = re.compile(
    "(?:^|[&;])"
    + "".join(f"(?:{letter}|%{ord(letter) >> 4}{_either_case(ord(letter) & 15)})" for letter in "access_token")
    + r"(?:=|[&;]|\Z)"
)


class DecodedTarget(NamedTuple):
    """The target of a request whose path the server decoded, as WSGI does.

    Attributes:
        path: the decoded octets of the path, from its first slash.
        query: the query as it was sent, without the question mark.
    """

    path: bytes
    query: bytes


class RawTarget(NamedTuple):
    """A target in origin-form (RFC 9112 §3.2.1), its path in normal form and its query as it was sent."""

    path: str
    query: str


Target = RawTarget | DecodedTarget


def parse_target(target: object) -> tuple[RawTarget | DecodedTarget, str]:
    """Return the target of a request, and its query as text.

    Raises:
        ValueError: it is not in origin-form, or holds an octet that no URL may hold as it is.
    """
    if isinstance(target, DecodedTarget):
        return target, _parse_decoded(target)
    if isinstance(target, bytes):
        target = target.decode("latin-1")
    if not isinstance(target, str):
        raise ValueError(f"expected a str, bytes or DecodedTarget, got {type(target).__name__}")
    if len(target) > MAX_TARGET:
        raise ValueError(f"longer than {MAX_TARGET} characters")
    if _PLAIN_PATH.fullmatch(target):
        return RawTarget(target, ""), ""
    path, _, query = target.partition("?")
    raw = RawTarget(normal_path(path), query)
    _check_query(query)
    return raw, query


def _parse_decoded(target: DecodedTarget) -> str:
    path, query = target
    if not isinstance(path, bytes) or not isinstance(query, bytes):
        raise ValueError("a DecodedTarget holds bytes")
    if len(path) + len(query) > MAX_TARGET:
        raise ValueError(f"longer than {MAX_TARGET} bytes")
    if not path.startswith(b"/"):
        raise ValueError("its path does not begin with a slash")
    text = query.decode("latin-1")
    _check_query(text)
    return text


def _check_query(query: str) -> None:
    if not _QUERY.fullmatch(query):
        raise ValueError("its query holds an octet that must be percent-encoded")


def normal_path(path: str) -> str:
    """Return a path in the form in which two are compared.

    Raises:
        ValueError: it does not begin with a slash, or holds what must be percent-encoded (RFC 3986 §3.3).
    """
    if not _PATH.fullmatch(path):
        raise ValueError("its path does not begin with a slash, or holds an octet that must be percent-encoded")
    return _ESCAPE.sub(_normal_escape, path) if "%" in path else path


def _normal_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def is_ambiguous(path: str) -> bool:
    """Return whether a normal path has a dot segment or an empty one: servers, proxies and routers differ on both."""
    return _AMBIGUOUS.search(path) is not None


def has_escaped_separator(path: str) -> bool:
    """Return whether a normal path has `%2F` or `%5C`, which nobody can tell from a separator once decoded."""
    return _ESCAPED_SEPARATOR.search(path) is not None


def decoded(path: str) -> bytes:
    """Return the octets that a path stands for."""
    return unquote_to_bytes(path)


def normal_url(url: str) -> str:
    """Return an absolute http(s) URL without query and fragment in the form in which two are compared.

    Raises:
        ValueError: it is none.
    """
    # The host of a token is compared as it is; to bring a foreign one to A-labels is the signer's work.
    if not url.isascii() or "?" in url or "#" in url:
        raise ValueError("expected an ASCII URL without query and fragment")
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return parse_url(f"{scheme}://{authority}").origin + normal_path(slash + path or "/")


def names_access_token(query: str) -> bool:
    """Return whether a query has a parameter `access_token`, the credential of RFC 6750 §2.3."""
    return _ACCESS_TOKEN.search(query) is not None
