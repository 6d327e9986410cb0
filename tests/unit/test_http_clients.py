"""Whom a sender connects to: URLs, TLS, and clients of its own and of the caller."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from signedmsg import AsyncSender, DeliveryError, Sender, SigningError

from .faces import FACES, ISSUER, KEY, Face
from .faults import FaultServer, answer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> Face:
    return FACES[request.param]


@pytest.mark.parametrize("url", ["http://shop.example/inbox", "HTTP://shop.example/inbox"])
def test_plain_http_is_refused_without_the_option(url: str) -> None:
    with Sender(ISSUER, KEY) as sender, pytest.raises(SigningError, match="https://"):
        sender.send(url, {}, type="t")


@pytest.mark.parametrize(
    "url",
    [
        "https://1.2.3.999/inbox",
        "https://[::1::]/inbox",
        "https://a..example/inbox",
        f"https://{'a' * 64}.example/inbox",
        "https://shop.example/inbox?" + "a" * 70000,
        "https://shop.example:99999/inbox",
        "ftp://shop.example/inbox",
        "https://user:password@shop.example/inbox",
        "/inbox",
        "",
    ],
    ids=lambda url: url[:40] or "empty",
)
def test_url_that_cannot_be_contacted_is_a_signing_error_and_nothing_else(face: Face, url: str) -> None:
    with pytest.raises(SigningError, match="url"):
        face.send(url)


def self_signed(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1, and its key, into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "server.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


def served_with(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_receiver_whose_certificate_nobody_vouches_for_gets_no_token(face: Face, certificate: Path) -> None:
    with FaultServer(answer(204), tls=served_with(certificate)) as server, pytest.raises(DeliveryError) as caught:
        face.send(server.url)
    assert (caught.value.outcome, server.requests) == ("unknown", [])


def test_receiver_that_speaks_no_tls_gets_no_token(face: Face) -> None:
    with FaultServer(answer(204)) as server, pytest.raises(DeliveryError) as caught:
        face.send(server.url.replace("http:", "https:"), timeout=0.5)
    assert (caught.value.outcome, server.requests) == ("unknown", [])


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_connection_given_up_in_the_tls_handshake_is_closed_at_once(backend: str) -> None:
    async def work(server: FaultServer) -> bool:
        async with AsyncSender(ISSUER, KEY, timeout=0.5) as sender:
            with pytest.raises(DeliveryError):
                await sender.send(server.url.replace("http:", "https:"), {}, type="t")
            return await anyio.to_thread.run_sync(server.gone.wait, 10)

    with FaultServer(answer(204)) as server:
        assert anyio.run(work, server, backend=backend)


def test_given_client_brings_its_own_trust(face: Face, certificate: Path) -> None:
    trust = ssl.create_default_context(cafile=certificate)
    with FaultServer(answer(204), tls=served_with(certificate)) as server:
        assert face.send(server.url, client=lambda kind: kind(verify=trust)) == [("m", 204, False, None)]


def test_given_client_is_left_open() -> None:
    with FaultServer(answer(204)) as server, httpx.Client() as client:
        with Sender(ISSUER, KEY, client=client, dangerously_allow_http=True) as sender:
            sender.send(server.url, {}, type="t")
        assert not client.is_closed
        assert client.get(server.url).status_code == 204


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_given_async_client_is_left_open(backend: str) -> None:
    async def work() -> int:
        with FaultServer(answer(204)) as server:
            async with httpx.AsyncClient() as client:
                async with AsyncSender(ISSUER, KEY, client=client, dangerously_allow_http=True) as sender:
                    await sender.send(server.url, {}, type="t")
                assert not client.is_closed
                return (await client.get(server.url)).status_code

    assert anyio.run(work, backend=backend) == 204


def test_own_client_keeps_its_connection_until_it_is_closed(face: Face) -> None:
    with FaultServer(answer(204)) as server:
        face.send(server.url, server.url, server.url)
        assert server.gone.wait(10)
        assert len(server.requests) == 3


def test_own_client_is_made_once_by_many_threads_at_once() -> None:
    before = threading.Barrier(16)

    def one(sender: Sender, url: str) -> int:
        before.wait(10)
        return sender.send(url, {}, type="t").status

    sender = Sender(ISSUER, KEY, dangerously_allow_http=True)
    with FaultServer(answer(204)) as server, sender, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, [sender] * 16, [server.url] * 16)) == {204}
    assert len(server.requests) == 16


def test_client_of_the_wrong_colour_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="client"):
        Sender(ISSUER, KEY, client=httpx.AsyncClient())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="client"):
        AsyncSender(ISSUER, KEY, client=httpx.Client())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="client"):
        Sender(ISSUER, KEY, client=object())  # type: ignore[arg-type]


def test_given_client_with_a_transport_of_its_own_is_used(face: Face) -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202)

    def client(kind: Any) -> Any:
        return kind(transport=httpx.MockTransport(handle), headers={"x-trace": "1"})

    assert face.send("https://shop.example/inbox", client=client) == [("m", 202, False, None)]
    assert (seen[0].method, str(seen[0].url), seen[0].headers["x-trace"]) == ("POST", "https://shop.example/inbox", "1")


def test_host_name_beyond_ascii_is_contacted_by_its_a_labels() -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.headers["host"])
        return httpx.Response(204)

    with httpx.Client(transport=httpx.MockTransport(handle)) as client:
        Sender(ISSUER, KEY, client=client).send("https://straße.example/inbox", {}, type="t")
    assert hosts == ["xn--strae-oqa.example"]
