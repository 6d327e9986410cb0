"""A Starlette service whose every call is signed, but for its health check: `uvicorn starlette_app:app`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from signedmsg import AsyncKeyDirectory, AsyncReceiver, AsyncSQLiteReplayCache, Issuer
from signedmsg.starlette import SignedCalls, current_call

if TYPE_CHECKING:
    from starlette.requests import Request

# Where callers reach this service, whatever a proxy makes of it on the way.
SHOP = os.environ.get("SHOP_URL", "https://shop.example")

receiver = AsyncReceiver(
    SHOP,
    AsyncKeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
    AsyncSQLiteReplayCache("replay.db"),
)


async def order(request: Request) -> JSONResponse:
    """Take an order from whoever signed it."""
    call = current_call(request)
    return JSONResponse({"order": call.data, "from": call.issuer})


async def health(_: Request) -> JSONResponse:
    """Answer whoever asks."""
    return JSONResponse({"healthy": True})


app = Starlette(
    routes=[Route("/v1/orders", order, methods=["POST", "DELETE"]), Route("/health", health)],
    middleware=[Middleware(SignedCalls, receiver=receiver, exempt=["GET /health"])],
)
