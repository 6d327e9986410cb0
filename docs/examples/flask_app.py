"""A Flask service whose orders are signed, but not its health check: `waitress-serve flask_app:app`."""

from __future__ import annotations

import os

from flask import Flask
from pydantic import BaseModel

from signedmsg import Issuer, KeyDirectory, Receiver, SQLiteReplayCache
from signedmsg.flask import current_call, signed


class Order(BaseModel):
    """What is ordered."""

    number: int


receiver = Receiver(
    # Where callers reach this service, whatever a proxy makes of it on the way.
    os.environ.get("SHOP_URL", "https://shop.example"),
    KeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
    SQLiteReplayCache("replay.db"),
)
app = Flask(__name__)


@app.route("/v1/orders", methods=["POST", "DELETE"])
@signed(receiver, model=Order)
def order() -> dict[str, object]:
    """Take an order from whoever signed it."""
    call = current_call(Order)
    return {"order": call.data.model_dump(), "from": call.issuer}


@app.get("/health")
def health() -> dict[str, bool]:
    """Answer whoever asks."""
    return {"healthy": True}
