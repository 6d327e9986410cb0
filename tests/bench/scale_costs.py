"""What a message costs in CPU time: to sign, to verify, and to take in at an HTTP endpoint of one process.

The endpoint is served by a process of its own: `python -m tests.bench.scale_costs PORT ALG`.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from signedmsg import AsyncReceiver, Message, Router, Sender, SigningKey
from signedmsg.asgi import Endpoint
from signedmsg.testing import ManualClock, Peer
from tests.bench.scale_tools import NOW, ROOT, best_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ALGORITHMS: Final = ("ES256", "Ed25519")
SIZES: Final = {"200 B": 120, "2 KB": 1900}
ROUNDS, CALLS = 25, 100
SHOP: Final = "https://shop.example/inbox"
POSTS: Final = 6000
CONNECTIONS: Final = 8


def data(filling: int) -> dict[str, object]:
    return {"number": "2026-000042", "total": 1290, "currency": "EUR", "paid": True, "note": "x" * filling}


class Case:
    """One algorithm and size: tokens that are signed in turn, and verified later in the same order."""

    def __init__(self, alg: str, filling: int) -> None:
        clock = ManualClock(NOW)
        peer = Peer(key=SigningKey.generate(alg), clock=clock)
        self._sender, self._receiver = Sender(peer.issuer, peer.key, clock=clock), peer.receiver(SHOP)
        self._data = data(filling)
        self.tokens: list[str] = []

    def sign(self, _: int) -> None:
        self.tokens.append(self._sender.sign(self._data, type="invoice.paid", audience=SHOP))

    def verify(self, number: int) -> None:
        self._receiver.verify(self.tokens[number])


def costs() -> dict[str, dict[str, dict[str, float]]]:
    """Return the CPU seconds of a signature and of a verification, by algorithm and size."""
    cases = {f"{alg}/{size}": Case(alg, filling) for alg in ALGORITHMS for size, filling in SIZES.items()}
    signed = best_of({name: case.sign for name, case in cases.items()}, ROUNDS, CALLS)
    verified = best_of({name: case.verify for name, case in cases.items()}, ROUNDS, CALLS)
    made: dict[str, dict[str, dict[str, float]]] = {alg: {} for alg in ALGORITHMS}
    for name, case in cases.items():
        alg, size = name.split("/")
        made[alg][size] = {"sign": signed[name], "verify": verified[name], "token_bytes": len(case.tokens[0])}
    return made


def serve(port: int, alg: str) -> None:
    """Serve an endpoint that trusts the key that comes in on stdin."""
    import uvicorn

    peer = Peer(key=SigningKey.from_pem(sys.stdin.read()))
    assert peer.key.alg == alg
    receiver: AsyncReceiver = peer.async_receiver(SHOP)
    router = Router()

    @router.on("invoice.paid")
    async def paid(message: Message[Any]) -> None:
        assert message.data["total"] == 1290

    print("ready", flush=True)
    uvicorn.run(Endpoint(receiver, router), host="127.0.0.1", port=port, log_level="error", access_log=False)


async def post(port: int, tokens: Sequence[str]) -> float:
    """Post the tokens over some connections; return the seconds that it took."""
    left = iter(tokens)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for token in left:
            head = f"POST /inbox HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {len(token)}\r\n"
            writer.write(f"{head}Content-Type: application/vnd.signedmsg+jwt\r\n\r\n{token}".encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 20"), answer
            lengths = [line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return time.perf_counter() - started


def endpoint(alg: str) -> dict[str, float]:
    """Return how many messages a second one process of uvicorn takes in, each with a memory replay cache."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    peer = Peer(key=SigningKey.generate(alg))
    command = [sys.executable, "-m", "tests.bench.scale_costs", str(port), alg]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(peer.key.to_pem())
        server.stdin.close()
        server.stdout.readline()
        try:
            _wait(port)
            sender, payload = peer.sender(), data(SIZES["200 B"])
            tokens = [sender.sign(payload, type="invoice.paid", audience=SHOP) for _ in range(POSTS)]
            asyncio.run(post(port, tokens[: POSTS // 6]))
            elapsed = asyncio.run(post(port, tokens[POSTS // 6 :]))
        finally:
            server.terminate()
    return {"messages_a_second": (POSTS - POSTS // 6) / elapsed}


def _wait(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def measure() -> dict[str, Any]:
    """Return the costs by algorithm and size, and what one process of an endpoint takes in."""
    return {
        "cost": costs(),
        "endpoint": {alg: endpoint(alg) for alg in ALGORITHMS},
    }


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
