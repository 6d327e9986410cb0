"""The one form in which URLs are written into tokens and compared.

Scheme and host in lower case, the host as A-labels, the default port dropped, an
empty path as `/`, no userinfo, no fragment (RFC 3986 §6.2.2 and §6.2.3; RFC 5891).
Only configuration and the URL about to be contacted are brought to this form: a
value that comes out of a token is compared as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]+\]")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOT_SEGMENT = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
# Meant as a URL, it would equal no `aud` that a sender takes from the URL it contacts.
_NO_SCHEME = re.compile(r"/|(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:[0-9]+)?/|[a-z0-9-]+:[0-9]+/", re.IGNORECASE)
_OPAQUE = re.compile(r"[\x21-\x7e]{1,1024}")


class WebURL(NamedTuple):
    """An http or https URL in normal form: `origin` has no trailing slash, `path` at least one."""

    scheme: str
    host: str
    origin: str
    path: str
    query: str

    @property
    def endpoint(self) -> str:
        """The URL without its query: the audience of an envelope."""
        return self.origin + self.path

    @property
    def full(self) -> str:
        """The URL to contact."""
        return f"{self.endpoint}?{self.query}" if self.query else self.endpoint


def parse_url(url: str) -> WebURL:
    """Bring an http or https URL to normal form, or raise `ValueError` that says why not."""
    if not isinstance(url, str):
        raise TypeError(f"a URL is a str, not {type(url).__name__}")
    # urlsplit silently drops tabs and newlines, and a backslash is a slash to some clients.
    if _UNSAFE.search(url):
        raise ValueError("a URL has no white space, control characters or backslashes")
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise ValueError("expected a URL that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("a URL with a user name or password in it is refused")
    host = _host(parts.hostname or "")
    port = parts.port
    authority = host if port is None or port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"
    return WebURL(scheme, host, f"{scheme}://{authority}", _path(parts.path), parts.query)


def _host(host: str) -> str:
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():
        # The host is compared byte by byte, so it is written as DNS and TLS see it.
        import idna

        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"the host name is not valid: {error}") from None
    host = host.lower()
    if not _HOST.fullmatch(host) or len(host) > 255:
        raise ValueError("the URL has no valid host name")
    return host


def _path(path: str) -> str:
    path = path or "/"
    if not _PATH.fullmatch(path) or _BAD_ESCAPE.search(path):
        raise ValueError("the path holds a character that must be percent-encoded (RFC 3986 §3.3)")
    # A client resolves dot segments before it sends, so the audience would name another path.
    if _DOT_SEGMENT.search(path):
        raise ValueError("a path with a '.' or '..' segment is refused")
    return path


def normal_audience(audience: str) -> str:
    """Return the configured audience in the form in which it is compared.

    An http(s) URL is brought to normal form and must have neither query nor fragment;
    any other value of 1–1024 visible ASCII characters (a queue's name, a URN) stands
    for itself.
    """
    if not isinstance(audience, str):
        raise TypeError(f"audience: expected one str, got {type(audience).__name__}")
    if audience[:8].lower().startswith(("http://", "https://")):
        if "?" in audience or "#" in audience:
            raise ValueError("audience: a URL without query and fragment")
        try:
            url = parse_url(audience)
        except ValueError as error:
            raise ValueError(f"audience: {error}") from None
        return url.endpoint
    if _NO_SCHEME.match(audience):
        raise ValueError("audience: a URL begins with https:// or http://")
    if not _OPAQUE.fullmatch(audience):
        raise ValueError("audience: 1 to 1024 visible ASCII characters")
    return audience
