"""A FastAPI service: signed calls as a typed dependency, messages at /inbox: `uvicorn fastapi_app:app`."""

from __future__ import annotations

import os
from typing import Annotated

from fastapi import FastAPI, Security
from pydantic import BaseModel

from signedmsg import AsyncKeyDirectory, AsyncReceiver, AsyncSQLiteReplayCache, Call, Issuer, Message, Router
from signedmsg.fastapi import CallRefusal, SignedCall, endpoint, problem

# Where callers reach this service, whatever a proxy makes of it on the way.
SHOP = os.environ.get("SHOP_URL", "https://shop.example")


class Order(BaseModel):
    """What billing orders."""

    number: int


allow = ["POST /v1/orders", "order.*"]
directory = AsyncKeyDirectory(Issuer("https://billing.example", allow=allow, keys="billing.json"))
replay = AsyncSQLiteReplayCache("replay.db")
order_call = SignedCall(AsyncReceiver(SHOP, directory, replay), Order)
router = Router()

app = FastAPI()
app.add_exception_handler(CallRefusal, problem)
app.add_route("/inbox", endpoint(AsyncReceiver(f"{SHOP}/inbox", directory, replay), router), methods=["POST"])


@app.post("/v1/orders")
@app.delete("/v1/orders")
async def order(call: Annotated[Call[Order], Security(order_call)]) -> dict[str, object]:
    """Take an order from whoever signed it."""
    return {"order": call.data, "from": call.issuer}


@app.get("/health")
async def health() -> dict[str, bool]:
    """Answer whoever asks."""
    return {"healthy": True}


@router.on("order.paid")
async def paid(message: Message[Order]) -> None:
    """Take a message, which may come hours after it was written."""
    print(f"order {message.data.number} is paid, says {message.issuer}", flush=True)
