"""What `SignedAuth` costs a call: `python -m tests.bench.calls_client`.

Prints figures and asserts nothing, since they depend on the machine and on what else it does.
"""

from __future__ import annotations

import socket
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
    from collections.abc import Callable, Generator

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


def measured(name: str) -> dict[str, tuple[float, float]]:
    """Return the best seconds of a POST of 200 bytes to this server, unsigned and signed by turns, for each client."""
    command = [sys.executable, "-m", "tests.bench.calls_client", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/transfers"
        try:
            return dict(clients(url))
        finally:
            server.kill()


def clients(url: str) -> Generator[tuple[str, tuple[float, float]]]:
    key = SigningKey.generate()
    for library, door in ((httpx, signedmsg.httpx), (httpx2, signedmsg.httpx2)):
        auth = door.SignedAuth(ISSUER, key, dangerously_allow_http=True)
        plain, signed = blocking(library, url, None), blocking(library, url, auth)
        plain(), signed()
        yield f"{library.__name__}, blocking", best([[plain(), signed()] for _ in range(ROUNDS)])
        yield f"{library.__name__}, asyncio", best(anyio.run(in_loop, library, url, auth))


def best(rounds: list[list[float]]) -> tuple[float, float]:
    plain, signed = (min(column) for column in zip(*rounds, strict=True))
    return plain, signed


def figures() -> dict[str, float]:
    """How many times as long as the same call unsigned one takes that is signed: to uvicorn, and to next to nothing.

    The goal is about a real server, and about the client of httpx that is worse at it.
    """
    ratios = {
        f"{client} to {server}": signed / plain
        for server in SERVERS
        for client, (plain, signed) in measured(server).items()
    }
    return {"httpx signed": max(ratios["httpx, blocking to uvicorn"], ratios["httpx, asyncio to uvicorn"]), **ratios}


def main() -> None:
    """Print what a POST takes, and how many times as long it takes signed."""
    for server in SERVERS:
        print(f"{server} server")
        for client, (plain, signed) in measured(server).items():
            times = f"unsigned {plain * 1e6:6.0f} µs  signed {signed * 1e6:6.0f} µs  ratio {signed / plain:.2f}"
            print(f"{client:<16} {times} (best of {ROUNDS})")


if __name__ == "__main__":
    SERVERS.get("".join(sys.argv[1:]), main)()
