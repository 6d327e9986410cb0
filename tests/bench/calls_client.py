"""What `SignedAuth` costs a call: `python -m tests.bench.calls_client`.

Prints figures and asserts nothing, since they depend on the machine and on what else it does.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx
import httpx2

import signedmsg.httpx
import signedmsg.httpx2
from signedmsg import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER: Final = "https://billing.example"
BODY: Final = b'{"amount":42,"note":"' + b"x" * 177 + b'"}'
HEADERS: Final = {"content-type": "application/json"}
ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
ROUNDS: Final = 25
CALLS: Final = 100


def serve() -> None:
    """Answer every request with 204, without a parser: next to nothing but the client is measured."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def serve_uvicorn() -> None:
    """Answer every request with 204 from a real server that does nothing else."""
    import uvicorn

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off")).run(sockets=[listener])


SERVERS: Final = {"bare": serve, "uvicorn": serve_uvicorn}


def answer(connection: socket.socket) -> None:
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        _, found, body = received.partition(b"\r\n\r\n")
        if found and len(body) >= len(BODY):
            received = body[len(BODY) :]
            connection.sendall(ANSWER)


def blocking(library: Any, url: str, auth: Any) -> Callable[[], float]:
    client = library.Client(auth=auth, trust_env=False)

    def many() -> float:
        started = time.perf_counter()
        for _ in range(CALLS):
            client.post(url, content=BODY, headers=HEADERS)
        return (time.perf_counter() - started) / CALLS

    return many


async def in_loop(library: Any, url: str, auth: Any) -> list[list[float]]:
    async with library.AsyncClient(trust_env=False) as plain, library.AsyncClient(auth=auth, trust_env=False) as signed:

        async def many(client: Any) -> float:
            started = time.perf_counter()
            for _ in range(CALLS):
                await client.post(url, content=BODY, headers=HEADERS)
            return (time.perf_counter() - started) / CALLS

        for client in (plain, signed):
            await many(client)
        return [[await many(client) for client in (plain, signed)] for _ in range(ROUNDS)]


def show(what: str, rounds: list[list[float]]) -> None:
    plain, signed = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    ratio = statistics.median(signed / plain for plain, signed in rounds)
    print(f"{what:<16} unsigned {plain:6.0f} µs  signed {signed:6.0f} µs  ratio {ratio:.2f} (median of {len(rounds)})")


def main() -> None:
    """A POST of 200 bytes over loopback, unsigned and signed by turns, so that a slow moment slows both."""
    for name in SERVERS:
        command = [sys.executable, "-m", "tests.bench.calls_client", name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            print(f"{name} server")
            measure(f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/transfers")
            server.kill()


def measure(url: str) -> None:
    key = SigningKey.generate()
    for library, door in ((httpx, signedmsg.httpx), (httpx2, signedmsg.httpx2)):
        auth = door.SignedAuth(ISSUER, key, dangerously_allow_http=True)
        plain, signed = blocking(library, url, None), blocking(library, url, auth)
        plain(), signed()
        show(f"{library.__name__}, blocking", [[plain(), signed()] for _ in range(ROUNDS)])
        show(f"{library.__name__}, asyncio", anyio.run(in_loop, library, url, auth))


if __name__ == "__main__":
    SERVERS.get("".join(sys.argv[1:]), main)()
