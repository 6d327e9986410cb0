"""Real servers for applications that each test makes: one of each kind a run, and a mount for a part of the paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from signedmsg import Issuer, JWKSet, KeyDirectory, SigningKey
from signedmsg.signed_answers import AnswerSigner, AnswerVerifier

from .call_matrix import NOW
from .servers import SERVERS, ASGISwitch, WSGISwitch

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = "https://shop.example/"
SHOP_KEY = SigningKey.generate()
ANSWERS = AnswerSigner(SHOP, SHOP_KEY, clock=lambda: NOW)
# For `send`: a client that takes no answer which the shop has not signed.
REQUIRING: dict[str, Any] = {
    "answers": AnswerVerifier(
        KeyDirectory(Issuer(SHOP, allow=[], keys=JWKSet(SHOP_KEY.public))), issuer=SHOP, clock=lambda: NOW
    ),
    "require_signed_response": True,
}


class Site:
    """A running server; `app` is what it serves."""

    def __init__(self, switch: Any, port: int) -> None:
        self._switch, self.port = switch, port

    def serve(self, app: Any) -> None:
        self._switch.current = app


def running(name: str) -> Iterator[Site]:
    kind, serve = SERVERS[name]
    switch = ASGISwitch(kind) if kind == "asgi" else WSGISwitch(kind)
    with serve(switch) as port:
        yield Site(switch, port)


def mounted(app: Any, prefix: str = "/sub") -> Any:
    """Return a WSGI application that serves another below a prefix, as PEP 3333 has it, and at its own root."""

    def mount(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].startswith(prefix + "/"):
            environ["SCRIPT_NAME"] += prefix
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
        return app(environ, start_response)

    return mount


def mounted_asgi(app: Any, prefix: str = "/sub") -> Any:
    async def mount(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            # Django knows nothing of it.
            for _ in range(2):
                await send({"type": f"{(await receive())['type']}.complete"})
            return
        if scope["path"].startswith(prefix + "/"):
            scope = {**scope, "root_path": scope.get("root_path", "") + prefix}
        await app(scope, receive, send)

    return mount
