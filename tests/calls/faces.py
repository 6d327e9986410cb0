"""Both HTTP libraries, blocking and async, behind one way to make a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import httpx2

import signedmsg.httpx
import signedmsg.httpx2

from .server import ISSUER, KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path


class Face:
    """A library, and how it is driven: by whoever calls (`backend` None), or in an event loop."""

    def __init__(self, library: Any, door: Any, backend: str | None) -> None:
        self.library = library
        self.door = door
        self.backend = backend

    def __str__(self) -> str:
        return f"{self.library.__name__}-{self.backend or 'blocking'}"

    def auth(self, key: Any = KEY, **options: Any) -> Any:
        return self.door.SignedAuth(ISSUER, key, **{"dangerously_allow_http": True, **options})

    def call(self, method: str, url: str, *, auth: Any, transport: Any = None, **options: Any) -> Any:
        """Make one call with a client of its own, and return the answer, read."""
        follow = options.pop("follow_redirects", False)
        return self.run(lambda client: client.request(method, url, **options), auth, transport, follow)

    def client(self, auth: Any, transport: Any = None, follow_redirects: bool = False) -> Any:
        kind = self.library.Client if self.backend is None else self.library.AsyncClient
        # The certificates of the system, which nothing here is verified with, take long to load.
        options = {"follow_redirects": follow_redirects, "trust_env": False, "verify": False}
        return kind(auth=auth, transport=transport, **options)

    def run(self, work: Any, auth: Any, transport: Any = None, follow_redirects: bool = False) -> Any:
        """Return what `work(client)` returns, awaited where this face is async."""
        if self.backend is None:
            with self.client(auth, transport, follow_redirects) as client:
                return work(client)

        async def main() -> Any:
            async with self.client(auth, transport, follow_redirects) as client:
                return await work(client)

        return anyio.run(main, backend=self.backend)

    def stream(self, chunks: Iterable[Any]) -> Any:
        """Return a body that can be gone through once."""
        return iterate(chunks) if self.backend is None else iterate_async(chunks)

    def transport(self, handler: Any) -> Any:
        """Return a transport that answers with what `handler(request)` returns: a status, headers, a body."""

        def answer(request: Any) -> Any:
            status, headers, body = handler(request)
            return self.library.Response(status, headers=headers, content=body)

        return self.library.MockTransport(answer)


def iterate(chunks: Iterable[Any]) -> Iterator[Any]:
    yield from chunks


async def iterate_async(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


async def read_async(path: Path) -> AsyncIterator[bytes]:
    async with await anyio.open_file(path, "rb") as file:
        while chunk := await file.read(65536):
            yield chunk


FACES = [
    Face(library, door, backend)
    for library, door in ((httpx, signedmsg.httpx), (httpx2, signedmsg.httpx2))
    for backend in (None, "asyncio", "trio")
]
