"""An HTTP request in a file, as a proxy, a debugger or `curl -v` shows one."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from signedmsg.cli.output import note
from signedmsg.cli.problems import CommandError
from signedmsg.cli.trace_call import Arrived

_START: Final = re.compile(rb"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/[0-9.]+[ \t]*\r?\n")
_END: Final = re.compile(rb"\r?\n\r?\n")


def looks_like_a_request(written: bytes) -> bool:
    """Say whether this begins with a request line (RFC 9112 §3)."""
    return _START.match(written) is not None


def read_request(written: bytes) -> Arrived:
    """Return a request; lines of its head may end in LF alone, as in a file that was edited."""
    start = _START.match(written)
    if start is None:
        raise CommandError("the request does not begin with a line such as POST /v1/x HTTP/1.1")
    rest = written[start.end() :]
    end = _END.search(rest)
    head, body = (rest, b"") if end is None else (rest[: end.start()], rest[end.end() :])
    headers = [_field(line) for line in head.decode("latin-1").splitlines() if line.strip()]
    target = target_of(start[2].decode("latin-1"))
    return Arrived(start[1].decode("ascii"), target, headers, _cut(body, headers))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise CommandError("a header field of the request has no colon", hint="Name: value, one a line")
    return name.strip(), value.strip()


def parse_field(written: str) -> tuple[str, str]:
    """Return the name and value of a --header."""
    name, value = _field(written)
    if name.lower() == "authorization":
        raise CommandError(
            "--header: the token is read from a file, where other users of the machine cannot see it",
            hint="use TOKENFILE, or a whole request in a file",
        )
    return name, value


def target_of(url: str) -> str:
    """Return path and query: the host of a request is its caller's own word, and is compared with nothing."""
    if url.startswith("/"):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise CommandError("--url: expected a URL, or a path that begins with a slash")
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _cut(body: bytes, headers: list[tuple[str, str]]) -> bytes:
    """Return the body as long as the request says that it is."""
    fields = {name.lower(): value for name, value in headers}
    if "chunked" in fields.get("transfer-encoding", "").lower():
        raise CommandError("the body is in chunks", hint="pass it without them: --body FILE, and the head in TOKENFILE")
    said = fields.get("content-length", "")
    if not (said.isascii() and said.isdigit()):
        return body
    if len(body) < int(said[:9]):
        note(f"note: Content-Length says {said[:9]} bytes, and the file has {len(body)} of them")
    return body[: int(said[:9])]
