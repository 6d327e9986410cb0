"""What async doors cost, and how many requests a second they serve: `python -m tests.bench.doors_async [rounds]`.

First the endpoints for envelopes beside others' (see `door_rates`), then what each door for calls adds.
There each application is measured beside the same one without its door, in turns within one run.
ASGI applications are called without a server, aiohttp over loopback, so compare a door with
its own line alone. `verify` is what `AsyncReceiver.verify_request` takes by itself. Prints
figures and asserts nothing, since they depend on the machine and on what else it does.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web
from fastapi import FastAPI, Security
from litestar import Litestar, post
from starlette.applications import Starlette
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations
from starlette.responses import JSONResponse
from starlette.routing import Route

from signedmsg import AsyncReceiver, Call, JSONValue, MemoryReplayCache
from signedmsg._core.call_policy import MAX_HEADER_TOKEN
from signedmsg._core.compose import Attempt, finish
from signedmsg._core.compose_request import Outgoing, bind, compose_request
from signedmsg._core.policy import SendPolicy
from signedmsg._ids import new_jti
from signedmsg.aiohttp import signed_calls
from signedmsg.fastapi import SignedCall
from signedmsg.litestar import SignedCalls as LitestarCalls
from signedmsg.starlette import SignedCalls
from tests.bench import door_apps, door_rates
from tests.doors.call_asgi import scope_of
from tests.doors.call_matrix import DIRECTORY, ISSUER, JSON, KEY, NOW, ORDER, ORIGIN, bearing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Work = Callable[[str], Awaitable[None]]

BATCH = 200
POLICY = SendPolicy(ISSUER, 60, MAX_HEADER_TOKEN)
BOUND = bind(Outgoing("POST", ORIGIN, b"/v1/orders", [(b"content-type", JSON.encode())], ORDER))


def mint() -> str:
    """Return a token as `SignedAuth` writes it."""
    signing_input = compose_request(POLICY, BOUND, Attempt(new_jti(), NOW), alg=KEY.alg, kid=KEY.kid)
    return finish(POLICY, signing_input, KEY.sign(signing_input))


def receiver() -> AsyncReceiver:
    return AsyncReceiver(
        ORIGIN, DIRECTORY, MemoryReplayCache(clock=lambda: NOW - 3600), clock=lambda: NOW, observe=lambda _: None
    )


def calling(app: Any) -> Work:
    """Return work that calls an ASGI application."""

    async def work(token: str) -> None:
        sent: list[Any] = []
        waiting = [{"type": "http.request", "body": ORDER, "more_body": False}]

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            sent.append(event)

        await app(scope_of(bearing(token), state={}), receive, send)
        assert sent[0]["status"] in (200, 201), sent

    return work


def starlette(door: bool) -> Work:
    async def order(request: Request) -> JSONResponse:
        return JSONResponse({"length": len(await request.body())})

    app = Starlette(routes=[Route("/v1/orders", order, methods=["POST"])])
    if door:
        app.add_middleware(SignedCalls, receiver=receiver())
    return calling(app)


def fastapi(door: bool) -> Work:
    app = FastAPI(openapi_url=None)

    async def plain(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    signed = Security(SignedCall(receiver()))

    async def verified(request: Request, call: Call[JSONValue] = signed) -> dict[str, int]:
        return {"length": len(await request.body())}

    app.add_api_route("/v1/orders", verified if door else plain, methods=["POST"])
    return calling(app)


def litestar(door: bool) -> Work:
    @post("/v1/orders")
    async def order(body: bytes) -> dict[str, int]:
        return {"length": len(body)}

    return calling(Litestar([order], middleware=[LitestarCalls(receiver())] if door else [], openapi_config=None))


async def aiohttp(door: bool) -> Work:
    async def order(request: web.Request) -> web.Response:
        return web.json_response({"length": len(await request.read())})

    app = web.Application(middlewares=[signed_calls(receiver())] if door else [])
    app.router.add_post("/v1/orders", order)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0][:2])

    async def work(token: str) -> None:
        writer.write(bearing(token).octets().replace(b"Connection: close\r\n", b""))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))

    return work


def verifying() -> Work:
    door = receiver()

    async def work(token: str) -> None:
        headers = [("authorization", f"Bearer {token}"), ("content-type", JSON)]
        await door.verify_request("POST", "/v1/orders", headers, ORDER)

    return work


async def timed(work: Work, tokens: list[str]) -> float:
    """Return the microseconds of a request."""
    started = time.perf_counter()
    for token in tokens:
        await work(token)
    return (time.perf_counter() - started) / len(tokens) * 1e6


async def measure(rounds: int) -> None:
    pairs = {
        "starlette": (starlette(False), starlette(True)),
        "fastapi": (fastapi(False), fastapi(True)),
        "litestar": (litestar(False), litestar(True)),
        "aiohttp": (await aiohttp(False), await aiohttp(True)),
    }
    alone = verifying()
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in pairs}
    floors: list[float] = []
    for turn in range(rounds + 1):
        for name, (bare, door) in pairs.items():
            tokens = [mint() for _ in range(BATCH)]
            row = (await timed(bare, tokens), await timed(door, tokens))
            # The first turn warms up.
            if turn:
                rows[name].append(row)
        floors.append(await timed(alone, [mint() for _ in range(BATCH)]))
    print(f"verify alone: {statistics.median(floors):.0f} µs")
    for name, row in rows.items():
        bare, door = (statistics.median(column) for column in zip(*row, strict=True))
        print(
            f"{name:<10} bare {bare:6.0f} µs  with door {door:6.0f} µs  +{door - bare:4.0f} µs  ratio {door / bare:.2f}"
        )


def figures(rounds: int = 15) -> dict[str, float]:
    """How many times the requests a second of the one an application serves of those of the other, on one core."""
    return ratios(door_rates.called(rounds)) | ratios(door_rates.served(4 * rounds), " in uvicorn")


def ratios(taken: Mapping[str, float], where: str = "") -> dict[str, float]:
    """Return what the goals compare."""
    return {
        f"asgi to raw{where}": taken[door_apps.RAW] / taken[door_apps.ASGI],
        f"asgi to pyjwt{where}": taken[door_apps.PYJWT] / taken[door_apps.ASGI],
        f"asgi to fastapi with pyjwt{where}": taken[door_apps.FASTAPI_PYJWT] / taken[door_apps.ASGI],
        f"fastapi to fastapi with pyjwt{where}": taken[door_apps.FASTAPI_PYJWT] / taken[door_apps.FASTAPI],
    }


def rates(rounds: int) -> None:
    for where, taken in (("", door_rates.called(rounds)), (" in uvicorn", door_rates.served(4 * rounds))):
        for name, each in taken.items():
            print(f"{name:<32}{where} {each:6.1f} µs  {1e6 / each:7,.0f} requests/s")
        for name, ratio in ratios(taken, where).items():
            print(f"{name:<48} {ratio:.2f}")


def main(rounds: int = 10) -> None:
    rates(rounds)
    asyncio.run(measure(rounds))


if __name__ == "__main__":
    if sys.argv[1:] == [door_rates.SERVE]:
        door_rates.serve()
    else:
        main(*map(int, sys.argv[1:2]))
