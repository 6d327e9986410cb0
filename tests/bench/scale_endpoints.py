"""What it costs to send one event to many endpoints: signing for each, and delivering over so many connections.

Each size is measured in a process of its own: `python -m tests.bench.scale_endpoints sign COUNT`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

import anyio

from signedmsg import AsyncSender, DeliveryError, Sender, SigningKey
from tests.bench.scale_tools import ROOT, child, resident

if TYPE_CHECKING:
    from collections.abc import Callable

PLATFORM: Final = "https://platform.example"
DATA: Final = {"number": "2026-000042", "total": 1290, "currency": "EUR", "note": "x" * 120}
LATENCY: Final = 0.02
HOSTS: Final = 250


def sign(count: int) -> dict[str, Any]:
    """Sign one event for so many endpoints, and for so many accounts at one endpoint."""
    sender = Sender(PLATFORM, SigningKey.generate())
    urls = [f"https://endpoint-{number}.example/inbox" for number in range(count)]
    accounts = [f"acct_{number}" for number in range(count)]
    once = {"type": "invoice.paid", "id": "evt_42", "time": 1_800_000_000}
    sender.sign(DATA, audience=urls[0], **once)  # type: ignore[arg-type]
    return {
        "endpoints": _signed(lambda number: sender.sign(DATA, audience=urls[number], **once), count),  # type: ignore[arg-type]
        "accounts": _signed(
            lambda number: sender.sign(DATA, audience=urls[0], account=accounts[number], **once),  # type: ignore[arg-type]
            count,
        ),
    }


def _signed(one: Callable[[int], str], count: int) -> dict[str, float]:
    """Return what signing takes, and what stays: where each token is let go once sent, and where all are held."""
    before, started, wall = resident(), time.thread_time(), time.perf_counter()
    for number in range(count):
        one(number)
    spent, elapsed = time.thread_time() - started, time.perf_counter() - wall
    streamed = resident() - before
    gc.collect()
    tracemalloc.start()
    tokens = [one(number) for number in range(count)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "count": count,
        "cpu": spent,
        "wall": elapsed,
        "token_bytes": sum(map(len, tokens)) / count,
        "held_streaming": streamed,
        "held_all": held,
    }


def serve() -> None:
    """Answer every POST with 202, after a while, on many loopback addresses and one port, until stdin ends."""

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                await asyncio.sleep(LATENCY)
                writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def main() -> None:
        hosts = hosts_here()
        first = await asyncio.start_server(session, hosts[0], 0, backlog=256)
        port = first.sockets[0].getsockname()[1]
        if hosts[1:]:
            await asyncio.start_server(session, hosts[1:], port, backlog=256)
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

    asyncio.run(main())


def hosts_here() -> list[str]:
    """Linux has all of 127.0.0.0/8; elsewhere there is one loopback address."""
    return [f"127.0.1.{number + 1}" for number in range(HOSTS)] if sys.platform == "linux" else ["127.0.0.1"]


async def deliver(count: int, workers: int, port: int) -> dict[str, float]:
    """Send to so many endpoints on 250 hosts with so many tasks; return what it took."""
    hosts = hosts_here()
    numbers = iter(range(count))
    failed = 0
    async with AsyncSender(PLATFORM, SigningKey.generate(), dangerously_allow_http=True) as sender:

        async def work() -> None:
            nonlocal failed
            for number in numbers:
                url = f"http://{hosts[number % len(hosts)]}:{port}/inbox/{number}"
                try:
                    await sender.send(url, DATA, type="invoice.paid", id="evt_42", time=1_800_000_000)
                except DeliveryError:
                    failed += 1

        # The first send loads the trusted roots.
        await sender.send(f"http://{hosts[0]}:{port}/inbox", DATA, type="invoice.paid")
        spent, started = time.process_time(), time.perf_counter()
        async with anyio.create_task_group() as group:
            for _ in range(workers):
                group.start_soon(work)
        elapsed, spent = time.perf_counter() - started, time.process_time() - spent
    return {"endpoints": count, "at_once": workers, "seconds": elapsed, "cpu": spent / count, "failed": failed}


def delivery(count: int, workers: list[int]) -> dict[str, Any]:
    """Deliver over HTTP to a server in a process of its own: one after the other, then with each number of tasks."""
    command = [sys.executable, "-m", "tests.bench.scale_endpoints", "serve"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        port = int(server.stdout.readline())
        alone = asyncio.run(deliver(count // 10, 1, port))
        rows = [asyncio.run(deliver(count, each, port)) for each in workers]
        server.stdin.close()
    return {"latency": LATENCY, "alone": alone["seconds"] / alone["endpoints"], "rows": rows}


def measure(counts: list[int]) -> list[dict[str, Any]]:
    """Return what signing for each number of endpoints costs."""
    return [child("scale_endpoints", "sign", count) for count in counts]


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        print(json.dumps(sign(int(sys.argv[2]))))
