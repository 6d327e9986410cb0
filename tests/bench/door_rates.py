"""How many requests a second each application of `door_apps` serves on one core.

Twice: called without a server, which leaves nothing but the application, and by uvicorn over loopback, with
a process of its own. Requests a second are one over the CPU time of a request: of the thread, or of the
server's process; so neither what the client takes nor other work on the machine counts. By turns in
random order, garbage collection off during a turn, and the best turn of each.
"""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from signedmsg import SigningKey
from tests.bench.door_apps import PATH, apps, minted
from tests.bench.measure import SEED
from tests.bench.peers.rules import Keys

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

ALG: Final = "ES256"
# A turn: long enough for the clock, and without a server as long as other groups' slices.
CALLED: Final = 128
CALLS: Final = 32
CONNECTIONS: Final = 16
SERVE: Final = "serve"
# Both answer with the nanoseconds that the process has computed; the first one tidies up before that.
_REST: Final = "/rest"
_SPENT: Final = "/spent"
_HEAD: Final = (
    "Host: shop.example\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: bench\r\n"
    "Content-Type: application/vnd.signedmsg+jwt\r\n"
)


def called(rounds: int) -> dict[str, float]:
    """Return the microseconds of a request of each application, called without a server."""
    keys = Keys(ALG)
    made = apps(keys)

    async def turns() -> dict[str, float]:
        best = dict.fromkeys(made, float("inf"))
        dice = random.Random(SEED)
        for _ in range(rounds):
            tokens = minted(keys, CALLED)
            for name in dice.sample(list(made), len(made)):
                best[name] = min(best[name], await _turn(made[name], tokens[name]))
        return best

    return asyncio.run(turns())


async def _turn(app: Any, tokens: Sequence[bytes]) -> float:
    sent: list[dict[str, Any]] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    gc.collect()
    gc.disable()
    before = time.thread_time_ns()
    for token in tokens:
        await app(_scope(token), _receiving(token), send)
    spent = time.thread_time_ns() - before
    gc.enable()
    assert [event["status"] for event in sent[::2]] == [204] * len(tokens), sent
    return spent / len(tokens) / 1e3


def _scope(token: bytes) -> dict[str, Any]:
    fields = (line.split(": ") for line in f"{_HEAD}Content-Length: {len(token)}".split("\r\n"))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


def _receiving(token: bytes) -> Any:
    waiting = [{"type": "http.request", "body": token, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive


def served(rounds: int) -> dict[str, float]:
    """Return the microseconds that the server's process takes for a request to each application."""
    keys = Keys(ALG)
    dice = random.Random(SEED)
    best: dict[str, float] = {}
    with _server(keys) as port, ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CONNECTIONS)]
        for turn in range(rounds + 1):
            tokens = minted(keys, CALLS)
            for number, name in dice.sample(list(enumerate(tokens)), len(tokens)):
                (before,) = _post(connections[:1], _REST, [b""])
                for start in range(0, CALLS, CONNECTIONS):
                    _post(connections, f"/{number}", tokens[name][start : start + CONNECTIONS])
                (after,) = _post(connections[:1], _SPENT, [b""])
                spent = (after - before) / CALLS / 1e3
                # The first turn warms up.
                if turn:
                    best[name] = min(best.get(name, spent), spent)
    return best


def _post(connections: Sequence[socket.socket], path: str, bodies: Sequence[bytes]) -> list[int]:
    """Send a request over each connection, so that the server has enough to do; return the numbers in the answers."""
    for connection, body in zip(connections, bodies, strict=False):
        head = f"POST {path} HTTP/1.1\r\n{_HEAD}Content-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
    return [_answer(connection) for connection, _ in zip(connections, bodies, strict=False)]


def _answer(connection: socket.socket) -> int:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 20"), answer
    return int(answer.partition(b"spent: ")[2].partition(b"\r\n")[0] or 0)


@contextmanager
def _server(keys: Keys) -> Generator[int]:
    command = [sys.executable, "-m", "tests.bench.doors_async", SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(keys.pem)
        server.stdin.close()
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def serve() -> None:
    """Serve all of them in one process, each at a path of its own; the key comes through standard input."""
    import uvicorn

    keys = Keys(ALG)
    keys.__dict__["signing"] = SigningKey.from_pem(sys.stdin.read())
    numbered = [(f"/{number}", app) for number, app in enumerate(apps(keys).values())]
    made = dict(numbered)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in {_REST, _SPENT}:
            await receive()
            if scope["path"] == _REST:
                gc.collect()
                gc.disable()
            spent = str(time.process_time_ns()).encode()
            await send({"type": "http.response.start", "status": 204, "headers": [(b"spent", spent)]})
            await send({"type": "http.response.body", "body": b""})
            return
        found = made[scope["path"]]
        scope["path"], scope["raw_path"] = PATH, PATH.encode()
        await found(scope, receive, send)

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
