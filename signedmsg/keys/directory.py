"""The key directory: a configured map from issuers to their keys and to what they may do."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Literal

from signedmsg._flows.keys import find_key, refresh
from signedmsg._flows.run import run
from signedmsg.keys.issuers import DEFAULT, Issuers
from signedmsg.keys.ports import AsyncPorts, BlockingPorts
from signedmsg.keys.turns import TASKS, THREADS, Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    import httpx

    from signedmsg._core.events import Event
    from signedmsg._core.freshness import Freshness
    from signedmsg._jose.jwk import PublicKey
    from signedmsg.keys.issuer import Issuer
    from signedmsg.keys.place import Place


class KeyDirectory(Issuers[BlockingPorts]):
    """Trusted issuers and their keys, for blocking callers; safe to use from many threads, and after a fork.

    A key that is known is returned without waiting, unless nobody asked for longer than its
    set was fresh: then one read comes first. What grows old is read again in the
    background, in a daemon thread that ends with the read, 32 at once; an unknown kid may cause
    a read that its caller waits for, as often as `freshness` allows.

    Args:
        issuers: who is trusted; nobody else is.
        client: the HTTP client to fetch with; by default one of its own, which uses no
            proxy and trusts the roots that httpx brings.
        freshness: how long keys are used and how often a source may be read.
        dangerously_allow_loopback_http: allow `http://127.0.0.1`, `[::1]` and `localhost`,
            for tests. Everything else is https.
        clock: the time in Unix seconds.
        jitter: a random number in [0, 1), which spreads the reads of many hosts.
        observe: called with each event, from whichever thread reads; by default they are logged.

    Raises:
        TypeError, ValueError: an issuer stands twice, or its file cannot be read now.
    """

    def __init__(
        self,
        *issuers: Issuer,
        client: httpx.Client | None = None,
        freshness: Freshness = DEFAULT,
        dangerously_allow_loopback_http: bool = False,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self._turns = Turns(THREADS)
        super().__init__(
            *issuers,
            client=client,
            freshness=freshness,
            dangerously_allow_loopback_http=dangerously_allow_loopback_http,
            clock=clock,
            jitter=jitter,
            observe=observe,
        )

    def make_fetcher(self, client: httpx.Client | None) -> object:
        """See `Issuers.make_fetcher`."""
        from signedmsg._fetch import Fetcher

        return Fetcher(client)

    def make_ports(self, place: Place) -> BlockingPorts:
        """See `Issuers.make_ports`."""
        return BlockingPorts(place, self.fetcher, self._turns)

    @property
    def waits(self) -> Literal["never", "blocks"]:
        """`never` when every set is fixed, so that an async receiver may use it too."""
        return "never" if self.fixed else "blocks"

    def find(self, issuer: str, kid: str) -> PublicKey:
        """Return the issuer's public key of that kid.

        Raises:
            UnknownIssuerError: the issuer is not configured here.
            UnknownKeyError: it has no such key, or the key is revoked.
            KeyDirectoryError: its keys could not be read.
        """
        found = self.at_hand(issuer, kid) or self.settled(issuer, kid)
        return found or run(find_key(self.entry(issuer).sources, kid))

    def refresh(self, issuer: str) -> None:
        """Read the issuer's sources now, whatever was known and whatever the budgets say.

        Raises:
            UnknownIssuerError: the issuer is not configured here.
            KeyDirectoryError: one of them could not be read; what was known stays.
        """
        run(refresh(self.entry(issuer).sources))

    def close(self) -> None:
        """Let no more reads begin, and wait for the one in the background; what is known can still be found."""
        for entry in self.entries():
            for ports, _ in entry.sources:
                ports.close()

    def __enter__(self) -> KeyDirectory:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncKeyDirectory(Issuers[AsyncPorts]):
    """The async twin of `KeyDirectory`, for asyncio and trio: see there for the arguments.

    Files are read in a worker thread; what grows old is read again in a task of the
    directory's own, which `aclose` ends, 4000 at once. One event loop at a time.
    """

    waits: Literal["suspends"] = "suspends"

    def __init__(
        self,
        *issuers: Issuer,
        client: httpx.AsyncClient | None = None,
        freshness: Freshness = DEFAULT,
        dangerously_allow_loopback_http: bool = False,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self._turns = Turns(TASKS)
        super().__init__(
            *issuers,
            client=client,
            freshness=freshness,
            dangerously_allow_loopback_http=dangerously_allow_loopback_http,
            clock=clock,
            jitter=jitter,
            observe=observe,
        )

    def make_fetcher(self, client: httpx.AsyncClient | None) -> object:
        """See `Issuers.make_fetcher`."""
        from signedmsg._fetch import AsyncFetcher

        return AsyncFetcher(client)

    def make_ports(self, place: Place) -> AsyncPorts:
        """See `Issuers.make_ports`."""
        return AsyncPorts(place, self.fetcher, self._turns)

    async def find(self, issuer: str, kid: str) -> PublicKey:
        """See `KeyDirectory.find`."""
        found = self.at_hand(issuer, kid) or self.settled(issuer, kid)
        return found or await find_key(self.entry(issuer).sources, kid)

    async def refresh(self, issuer: str) -> None:
        """See `KeyDirectory.refresh`."""
        await refresh(self.entry(issuer).sources)

    async def aclose(self) -> None:
        """Let no more reads begin, and cancel the one in the background; what is known can still be found."""
        for entry in self.entries():
            for ports, _ in entry.sources:
                await ports.aclose()

    async def __aenter__(self) -> AsyncKeyDirectory:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()
