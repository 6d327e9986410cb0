"""HTTP by hand over a socket, for requests that no well-behaved client makes."""

from __future__ import annotations

import socket
from typing import NamedTuple

from .stage import MEDIA_TYPE


class RawAnswer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def head(*fields: str, method: str = "POST", content_type: str = MEDIA_TYPE) -> bytes:
    lines = [f"{method} /inbox HTTP/1.1", "Host: shop.example", f"Content-Type: {content_type}", *fields]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    """Read until the peer closes; a reset counts as the end."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        pass
    return received


def parse(received: bytes) -> RawAnswer:
    top, _, body = received.partition(b"\r\n\r\n")
    status_line, *fields = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
    return RawAnswer(int(status_line.split(" ")[1]), headers, body)


def exchange(port: int, request: bytes) -> RawAnswer:
    with connect(port) as connection:
        connection.sendall(request)
        return parse(read_all(connection))


def abort(port: int, request: bytes) -> bytes:
    """Send the beginning of a request, hang up, and return what the server still said."""
    with connect(port) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)
