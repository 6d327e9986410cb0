"""A Litestar service whose every call is signed, but for its health check: `uvicorn litestar_app:app`."""

from __future__ import annotations

import os
from typing import Any

from litestar import Litestar, Request, get, route

from signedmsg import AsyncKeyDirectory, AsyncReceiver, AsyncSQLiteReplayCache, Call, Issuer
from signedmsg.litestar import SignedCalls, require_issuer

# Where callers reach this service, whatever a proxy makes of it on the way.
SHOP = os.environ.get("SHOP_URL", "https://shop.example")

receiver = AsyncReceiver(
    SHOP,
    AsyncKeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
    AsyncSQLiteReplayCache("replay.db"),
)


@route(
    "/v1/orders",
    http_method=["POST", "DELETE"],
    status_code=200,
    guards=[require_issuer("https://billing.example")],
)
async def order(request: Request[str, Call[Any], Any]) -> dict[str, Any]:
    """Take an order from whoever signed it."""
    return {"order": request.auth.data, "from": request.user}


@get("/health", exclude_from_auth=True)
async def health() -> dict[str, bool]:
    """Answer whoever asks."""
    return {"healthy": True}


app = Litestar([order, health], middleware=[SignedCalls(receiver)])
