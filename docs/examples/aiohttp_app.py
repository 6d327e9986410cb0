"""An aiohttp service whose every call is signed, but for its health check: `python -m aiohttp.web aiohttp_app:make`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from aiohttp import web

from signedmsg import AsyncKeyDirectory, AsyncReceiver, AsyncSQLiteReplayCache, Issuer
from signedmsg.aiohttp import CALL, signed_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

# Where callers reach this service, whatever a proxy makes of it on the way.
SHOP = os.environ.get("SHOP_URL", "https://shop.example")


async def order(request: web.Request) -> web.Response:
    """Take an order from whoever signed it."""
    call = request[CALL]
    return web.json_response({"order": call.data, "from": call.issuer})


async def health(_: web.Request) -> web.Response:
    """Answer whoever asks."""
    return web.json_response({"healthy": True})


def make(_: Sequence[str] = ()) -> web.Application:
    """Return the application."""
    receiver = AsyncReceiver(
        SHOP,
        AsyncKeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
        AsyncSQLiteReplayCache("replay.db"),
    )
    app = web.Application(middlewares=[signed_calls(receiver, exempt=["GET /health"])])
    app.add_routes([web.post("/v1/orders", order), web.delete("/v1/orders", order), web.get("/health", health)])
    return app
