"""The applications that rows of doors compare: one endpoint for a message of 200 bytes, in different hands.

Each reads the body of a POST, verifies the token in it, takes the payload as the same model, hands it
to a handler that does nothing, and answers 204. The first checks the signature alone. Those of
PyJWT have the checks that it lacks added by hand, as in `peers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from fastapi import FastAPI
from fastapi.responses import Response
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations

from signedmsg import AsyncReceiver, Issuer, JWKSet, KeyDirectory, MemoryReplayCache, Message, Router
from signedmsg.asgi import Endpoint
from signedmsg.fastapi import endpoint
from tests.bench import ours
from tests.bench.floors import unpadded
from tests.bench.payloads import Order, order
from tests.bench.peers import pyjwt
from tests.bench.peers.rules import AUDIENCE, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.peers.rules import Keys

    App = Callable[..., Any]

RAW: Final = "bare ASGI, the signature alone"
PYJWT: Final = "bare ASGI, PyJWT"
FASTAPI_PYJWT: Final = "FastAPI, PyJWT"
ASGI: Final = "signedmsg.asgi.Endpoint"
FASTAPI: Final = "signedmsg.fastapi.endpoint"
PATH: Final = "/inbox"
SIZE: Final = 200
_ECDSA: Final = ec.ECDSA(hashes.SHA256())
_HEADERS: Final = [(b"cache-control", b"no-store")]


def apps(keys: Keys) -> dict[str, App]:
    """Return the applications by name."""
    return {
        RAW: bare(raw(keys)),
        PYJWT: bare(by_pyjwt(keys)),
        FASTAPI_PYJWT: fastapi_pyjwt(keys),
        ASGI: Endpoint(receiver(keys), router()),
        FASTAPI: fastapi_door(keys),
    }


def minted(keys: Keys, count: int) -> dict[str, list[bytes]]:
    """Return so many tokens for each application; each may be used once."""
    ours_, theirs = ours.signer(keys), pyjwt.LookedUp().signer(keys)
    data = order(SIZE)
    makers = {RAW: ours_, PYJWT: theirs, FASTAPI_PYJWT: theirs, ASGI: ours_, FASTAPI: ours_}
    return {name: [make(data).encode() for _ in range(count)] for name, make in makers.items()}


def raw(keys: Keys) -> Callable[[bytes], object]:
    verify: Any = keys.public.verify

    def check(token: bytes) -> None:
        signing_input, _, signature = token.rpartition(b".")
        octets = unpadded(signature.decode())
        r, s = int.from_bytes(octets[:32], "big"), int.from_bytes(octets[32:], "big")
        verify(encode_dss_signature(r, s), signing_input, _ECDSA)

    return check


def by_pyjwt(keys: Keys) -> Callable[[bytes], object]:
    verify = pyjwt.LookedUp().verifier(keys, Order)
    return lambda token: verify(token.decode())


def bare(check: Callable[[bytes], object]) -> App:
    """Return an ASGI application that does nothing but this, without a framework."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        check(body)
        await send({"type": "http.response.start", "status": 204, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b""})

    return app


def fastapi_pyjwt(keys: Keys) -> App:
    app = FastAPI(openapi_url=None)
    verify = by_pyjwt(keys)

    async def inbox(request: Request) -> Response:
        verify(await request.body())
        return Response(status_code=204, headers={"cache-control": "no-store"})

    app.add_api_route(PATH, inbox, methods=["POST"], response_model=None)
    return app


def fastapi_door(keys: Keys) -> App:
    app = FastAPI(openapi_url=None)
    app.add_route(PATH, endpoint(receiver(keys), router()), methods=["POST"])
    return app


def receiver(keys: Keys) -> AsyncReceiver:
    issuer = Issuer(ISSUER, allow=["order.*"], keys=JWKSet(keys.signing.public))
    cache = MemoryReplayCache(capacity=2_000_000, quota=2_000_000)
    # Observed by nobody, as the others are.
    return AsyncReceiver(AUDIENCE, KeyDirectory(issuer), cache, observe=lambda _: None)


def router() -> Router[None]:
    made = Router()

    @made.on(ours.TYPE)
    async def placed(message: Message[Order]) -> None:
        pass

    return made
