"""One case tried on one client: a server, two keys, and the looking-up of them."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from signedmsg import SigningKey
from tests.directory.certificates import authority
from tests.directory.faults import document, good
from tests.directory.server import DirectoryServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.directory.server import Script
    from tests.peers.subjects import Found, Subject

A, B = SigningKey.generate(), SigningKey.generate()
# The patience of a case with a client that does not come back.
LIMIT = 20.0


class Result(NamedTuple):
    """What a client did, in words, and whether that is what the case wants."""

    text: str
    good: bool


def said(kind: str) -> str:
    """Return the word that the table has for what a look-up came to."""
    return "found" if kind == "key" else kind


def counted(number: int, thing: str = "fetch") -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}es"


class Trial:
    """A server with key A in its document, and a client made when first used."""

    def __init__(self, kind: type[Any], **options: Any) -> None:
        self.kind = kind
        self.options = options
        self._stack = contextlib.ExitStack()
        self.server: DirectoryServer
        self.subject: Subject

    def __enter__(self) -> Trial:
        self._pool = ThreadPoolExecutor(64)
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        # The server first: a client that still waits for it is set free.
        self._stack.pop_all().close()
        self._pool.shutdown()
        self.subject.close()

    def open(self, tls: ssl.SSLContext | None = None) -> None:
        """Start a server and a client of it, in the place of those before."""
        if hasattr(self, "subject"):
            self.subject.close()
        self.server = self._stack.enter_context(DirectoryServer(tls))
        self.server.serve(good(document(A)))
        trust = None if tls is None else authority().pem
        self.subject = self.kind(self.server.url(), trust, **self.options)

    def serve(self, *scripts: Script) -> None:
        self.server.serve(*scripts)

    def warm(self) -> None:
        found = self.find(A)
        assert found.kind == "key", found

    def find(self, key: SigningKey | str) -> Found:
        return self.subject.find(key if isinstance(key, str) else key.kid)

    def aside(self, key: SigningKey | str) -> Future[Found]:
        return self._pool.submit(self.find, key)

    def patiently(self, key: SigningKey | str) -> Found | None:
        """Return what came, or None when the client did not come back within the limit."""
        with contextlib.suppress(TimeoutError):
            return self.aside(key).result(LIMIT)
        return None

    def fetches(self, action: Callable[[], object]) -> int:
        """Return how many requests an action caused."""
        before = self.server.count()
        action()
        return self.server.count() - before

    def random_kids(self, number: int, seconds: float) -> int:
        """Look up so many unknown kids, evenly over so many seconds, and return the requests."""

        def look() -> None:
            for index in range(number):
                self.find(f"forged-{index}")
                self.subject.advance(seconds / number)

        return self.fetches(look)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        timer.start()
