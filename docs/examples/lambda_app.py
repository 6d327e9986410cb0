"""Two AWS Lambda functions behind an HTTP API: `lambda_app.orders` takes signed calls, `lambda_app.health` any."""

from __future__ import annotations

import os

from pydantic import BaseModel

from signedmsg import Call, Issuer, KeyDirectory, Receiver, SQLiteReplayCache
from signedmsg.aws_lambda import signed


class Order(BaseModel):
    """What is ordered."""

    number: int


receiver = Receiver(
    # Where callers reach this API.
    os.environ.get("SHOP_URL", "https://shop.example"),
    KeyDirectory(Issuer("https://billing.example", allow=["POST /v1/orders"], keys="billing.json")),
    # For this one process. Lambda runs many, which need a cache that they share.
    SQLiteReplayCache("replay.db"),
)


@signed(receiver, model=Order)
def orders(call: Call[Order], _context: object) -> dict[str, object]:
    """Take an order from whoever signed it."""
    return {"order": call.data.model_dump(), "from": call.issuer}


def health(_event: object, _context: object) -> dict[str, bool]:
    """Answer whoever asks."""
    return {"healthy": True}
