"""Over TLS, HTTP/2 and a proxy that tunnels a token still leaves once."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpx_retries
import hypercorn.asyncio
import hypercorn.config
import pytest

from signedmsg import DeliveryError, Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Receiver
from tests.directory.certificates import authority

from .faces import FACES
from .server import ISSUER, KEY

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from .faces import Face


class Config(hypercorn.config.Config):
    ssl_enabled = True
    accesslog = errorlog = None

    context: ssl.SSLContext

    def create_ssl_context(self) -> ssl.SSLContext:
        self.context.set_alpn_protocols(["h2", "http/1.1"])
        return self.context


class Shop:
    """An ASGI application that verifies, then answers as the path says; `heads` has what arrived."""

    def __init__(self, origin: str) -> None:
        directory = KeyDirectory(Issuer(ISSUER, allow=["* /*"], keys=JWKSet(KEY.public)))
        self.receiver = Receiver(origin, directory, MemoryReplayCache(clock=lambda: 0.0), observe=lambda _: None)
        self.heads: list[tuple[str, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        self.heads.append((scope["http_version"], scope["path"]))
        status = {"/redirect": 307, "/busy": 503}.get(scope["path"], 200)
        self.receiver.verify_request(scope["method"], scope["raw_path"], scope["headers"], body)
        headers = [(b"location", b"/v1")] if status == 307 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    shop = Shop(f"https://127.0.0.1:{listener.getsockname()[1]}")
    config = Config()
    config.context = authority().serving()
    config.bind = [f"fd://{listener.detach()}"]
    ends: list[Any] = []
    started = threading.Event()

    async def serve() -> None:
        end = asyncio.Event()
        ends.extend((asyncio.get_running_loop(), end))
        started.set()
        await hypercorn.asyncio.serve(shop, config, shutdown_trigger=end.wait, mode="asgi")  # type: ignore[arg-type]

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(10)
    yield shop
    loop, end = ends
    loop.call_soon_threadsafe(end.set)
    thread.join(10)


class Proxy:
    """A forward proxy that only tunnels, one connection a thread; `asked` has each CONNECT."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._tunnel, args=(self._listener.accept()[0],), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head)
        host, port = head.split()[1].decode().rsplit(":", 1)
        with client, socket.create_connection((host, int(port))) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join(10)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := one.recv(65536):
            other.sendall(chunk)
        other.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    one = Proxy()
    yield one
    one.close()


def transport(face: Face, *, http2: bool, proxy: Proxy | None) -> Any:
    library = face.library
    kind = library.HTTPTransport if face.backend is None else library.AsyncHTTPTransport
    return kind(verify=authority().trusting(), http2=http2, proxy=None if proxy is None else library.Proxy(proxy.url))


WAYS = pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])


@WAYS
@pytest.mark.parametrize("tunnel", [False, True], ids=["direct", "tunnel"])
def test_token_leaves_once_however_it_travels(face: Face, shop: Shop, proxy: Proxy, http2: bool, tunnel: bool) -> None:
    shop.heads, proxy.asked = [], []
    way = transport(face, http2=http2, proxy=proxy if tunnel else None)
    url = shop.receiver.policy.audience.rstrip("/")

    def work(client: Any) -> Any:
        return both(client, url) if face.backend is None else both_async(client, url)

    statuses, refused = face.run(work, face.auth(), way, follow_redirects=True)
    assert statuses == [200, 200]
    assert isinstance(refused, DeliveryError)
    assert shop.heads == [("2" if http2 else "1.1", path) for path in ("/v1", "/redirect", "/v1")]
    assert len(proxy.asked) in ((1, 2) if tunnel else (0,))
    assert all(b"authorization" not in head.lower() for head in proxy.asked)


def both(client: Any, url: str) -> Any:
    """Make a call, one that is redirected, and another one."""
    first = client.post(url + "/v1", json=1).status_code
    try:
        refused: object = client.get(url + "/redirect")
    except DeliveryError as error:
        refused = error
    return [first, client.post(url + "/v1", json=1).status_code], refused


async def both_async(client: Any, url: str) -> Any:
    first = (await client.post(url + "/v1", json=1)).status_code
    try:
        refused: object = await client.get(url + "/redirect")
    except DeliveryError as error:
        refused = error
    return [first, (await client.post(url + "/v1", json=1)).status_code], refused


@WAYS
@pytest.mark.parametrize("face", FACES[:2], ids=str)
def test_retry_below_is_stopped_however_it_travels(face: Face, shop: Shop, http2: bool) -> None:
    shop.heads = []
    retry = httpx_retries.Retry(total=2, backoff_factor=0)
    way = httpx_retries.RetryTransport(transport(face, http2=http2, proxy=None), retry=retry)
    with pytest.raises(DeliveryError, match="same token again"):
        face.call("GET", shop.receiver.policy.audience + "busy", auth=face.auth(), transport=way)
    assert len(shop.heads) == 1
