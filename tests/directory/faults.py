"""The faults: each is a script that answers one request, wrongly, slowly or not at all."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.directory.server import Exchange, Script

MEBIBYTE = 1024 * 1024


def answer(status: int = 200, body: bytes = b"", /, **headers: str) -> Script:
    """A whole answer; header names are written with `_` for `-`."""
    return lambda exchange: exchange.send(head(status, len(body), **headers) + body)


def head(status: int, length: int | None, /, **headers: str) -> bytes:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if length is not None:
        fields.setdefault("content-length", str(length))
    lines = [f"HTTP/1.1 {status} x", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def good(written: object, /, **headers: str) -> Script:
    """The document, with the media type of RFC 7517 §8.5."""
    body = written if isinstance(written, bytes) else json.dumps(written).encode()
    return answer(200, body, **{"content_type": "application/jwk-set+json", **headers})


def tagged(written: object, tag: str, /, **headers: str) -> Script:
    """The document with an `ETag`, and 304 to whoever has it already (RFC 9110 §13.1.2)."""

    def script(exchange: Exchange) -> None:
        if exchange.request.headers.get("if-none-match") == tag:
            answer(304, etag=tag, **headers)(exchange)
        else:
            good(written, etag=tag, **headers)(exchange)

    return script


def hang(exchange: Exchange) -> None:
    """Say nothing until the client gives up."""
    exchange.gone(120)


def reset(exchange: Exchange) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def drip_head(pause: float = 0.05) -> Script:
    """Send the head octet by octet, for as long as the client puts up with it."""

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nx-pad: ")
        while not exchange.gone(pause):
            exchange.send(b"a")

    return script


def drip_body(written: object, pause: float = 0.05) -> Script:
    """Send a good head at once, and the body octet by octet."""
    body = json.dumps(written).encode()

    def script(exchange: Exchange) -> None:
        exchange.send(head(200, len(body), content_type="application/jwk-set+json"))
        for position in range(len(body)):
            if exchange.gone(pause):
                return
            exchange.send(body[position : position + 1])

    return script


def slow(seconds: float, then: Script) -> Script:
    """Answer well, after so long."""

    def script(exchange: Exchange) -> None:
        if not exchange.gone(seconds):
            then(exchange)

    return script


def huge(mebibytes: int = 300, *, chunked: bool = False) -> Script:
    """A body of so many MiB: a good beginning of a document, and then spaces."""

    def script(exchange: Exchange) -> None:
        start = b'{"keys":['
        if chunked:
            exchange.send(head(200, None, content_type="application/jwk-set+json", transfer_encoding="chunked"))
            for _ in range(mebibytes):
                exchange.send(b"%x\r\n" % MEBIBYTE + b" " * MEBIBYTE + b"\r\n")
            exchange.send(b"0\r\n\r\n")
            return
        exchange.send(head(200, mebibytes * MEBIBYTE, content_type="application/jwk-set+json") + start)
        for _ in range(mebibytes):
            exchange.send(b" " * MEBIBYTE)

    return script


def gzip_bomb(mebibytes: int = 300) -> Script:
    """A small body that unpacks to so many MiB, whatever the client said it accepts."""
    # Members of a gzip file may follow each other (RFC 1952 §2.2).
    packed = gzip.compress(b" " * MEBIBYTE) * mebibytes
    return answer(200, packed, content_type="application/jwk-set+json", content_encoding="gzip")


def redirect(to: str, status: int = 302) -> Script:
    return answer(status, location=to)


def html(status: int = 200) -> Script:
    """What a captive portal or a load balancer answers."""
    return answer(status, b"<!doctype html><title>Welcome</title>", content_type="text/html; charset=utf-8")


def truncated(written: object) -> Script:
    """Half of the document, as a whole body."""
    body = json.dumps(written).encode()
    return good(body[: len(body) // 2])


def cut_off(written: object) -> Script:
    """Half of the body that the head announced, and then the end of the connection."""
    body = json.dumps(written).encode()

    def script(exchange: Exchange) -> None:
        exchange.send(head(200, len(body), content_type="application/jwk-set+json") + body[: len(body) // 2])
        exchange.connection.shutdown(socket.SHUT_RDWR)

    return script


class Gate:
    """Holds an answer back until the test opens it; `reached` says that a request waits at it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._opened = threading.Event()

    def open(self) -> None:
        self._opened.set()

    def before(self, then: Script) -> Script:
        def script(exchange: Exchange) -> None:
            self.reached.set()
            while not self._opened.wait(0.01):
                if exchange.gone():
                    return
            then(exchange)

        return script


def member(key: Any, **more: object) -> dict[str, Any]:
    """One public JWK, with members added or replaced."""
    return {**key.public.to_jwk(), **more}


def document(*members: Any, **more: object) -> dict[str, Any]:
    """A key directory document of keys (or of JWKs as they are)."""
    return {"keys": [one if isinstance(one, dict) else member(one) for one in members], **more}
