"""What a scene is played on: a server, a directory that reads from it, a clock, and other callers beside.

A scene is a coroutine that awaits nothing but its stage. On the blocking face nothing in it
suspends: `together` and `aside` use threads there, and tasks on the async faces.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import anyio
import httpx

from signedmsg import AsyncKeyDirectory, Issuer, KeyDirectory, SigningKey
from signedmsg._flows.run import run
from signedmsg.testing import ManualClock
from tests.directory.certificates import authority
from tests.directory.faults import document, good

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tests.directory.server import DirectoryServer, Script

ISSUER = "https://billing.example"
OTHER = "https://payroll.example"
A, B, C = (SigningKey.generate() for _ in range(3))


class Aside:
    """A call that goes on beside the scene; `outcome` is what it returned or raised."""

    def __init__(self) -> None:
        self.done = False
        self.outcome: Any = None

    async def run(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            self.outcome = await call()
        except Exception as error:  # noqa: BLE001 - the scene looks at it
            self.outcome = error
        finally:
            self.done = True


class Stage:
    """A server, a directory that reads from it, a clock that stands still, and the events so far."""

    kind: type[Any]
    client: type[Any]

    def __init__(self, server: DirectoryServer) -> None:
        self.server = server
        self.clock = ManualClock()
        self.events: list[Any] = []
        self.directory: Any = None
        self.clients: list[Any] = []

    def serve(self, *scripts: Script, path: str = "/keys.json") -> None:
        self.server.serve(*scripts, path=path)

    def issuer(self, id: str = ISSUER, path: str = "/keys.json", **options: Any) -> Issuer:
        return Issuer(id, **{"allow": ["*"], "keys": self.server.url(path), **options})

    def open(self, *issuers: Issuer, **options: Any) -> None:
        """Make the directory, over plain HTTP on the loopback unless the server has a certificate."""
        self.directory = self.kind(
            *(issuers or [self.issuer()]),
            **{
                "clock": self.clock,
                "observe": self.events.append,
                "dangerously_allow_loopback_http": True,
                **options,
            },
        )

    def health(self, issuer: str = ISSUER) -> Any:
        return self.directory.health()[issuer]

    def told(self, kind: type[Any]) -> list[Any]:
        """Return the events of one kind so far."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    def trusting(self) -> Any:
        """Return an HTTP client that trusts the authority of the tests."""
        self.clients.append(self.client(verify=authority().trusting()))
        return self.clients[-1]

    async def warm(self, *keys: SigningKey) -> None:
        """Open a directory whose document holds the keys (by default A), and read it once."""
        self.serve(good(document(*(keys or [A]))))
        self.open()
        await self.find(A)

    async def find(self, key: SigningKey | str = A, issuer: str = ISSUER) -> Any:
        raise NotImplementedError

    async def outcome(self, key: SigningKey | str = A, issuer: str = ISSUER) -> Any:
        """Return the key, or the error."""
        aside = Aside()
        await aside.run(lambda: self.find(key, issuer))
        return aside.outcome

    async def usable(self, key: SigningKey | str = A, issuer: str = ISSUER) -> bool:
        return not isinstance(await self.outcome(key, issuer), Exception)

    async def refresh(self, issuer: str = ISSUER) -> Any:
        raise NotImplementedError

    async def outcome_of_refresh(self, issuer: str = ISSUER) -> Any:
        """Return what a refresh returned or raised."""
        aside = Aside()
        await aside.run(lambda: self.refresh(issuer))
        return aside.outcome

    async def reset(self, issuer: str = ISSUER) -> Any:
        raise NotImplementedError

    async def flood(self, number: int, *, seconds: float = 0.0, issuer: str = ISSUER) -> None:
        """Look up so many kids that nobody has, evenly over so many seconds."""
        for index in range(number):
            await self.outcome(f"forged-{index}-{self.clock()}", issuer)
            self.clock.advance(seconds / number)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for what another thread or task does; a test fails when it does not come."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"waited {seconds} s for {inspect.getsource(condition).strip()}"
            await self.pause(0.002)

    async def pause(self, seconds: float) -> None:
        raise NotImplementedError

    def aside(self, call: Callable[[], Awaitable[Any]]) -> contextlib.AbstractAsyncContextManager[Aside]:
        """Begin a call that goes on beside what follows, and wait for it at the end."""
        raise NotImplementedError

    async def together(self, calls: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
        """Make all calls at the same time and return their outcomes."""
        async with contextlib.AsyncExitStack() as stack:
            asides = [await stack.enter_async_context(self.aside(call)) for call in calls]
        return [aside.outcome for aside in asides]

    async def close(self) -> None:
        raise NotImplementedError


class BlockingStage(Stage):
    kind = KeyDirectory
    client = httpx.Client

    async def find(self, key: SigningKey | str = A, issuer: str = ISSUER) -> Any:
        return self.directory.find(issuer, key if isinstance(key, str) else key.kid)

    async def refresh(self, issuer: str = ISSUER) -> Any:
        return self.directory.refresh(issuer)

    async def reset(self, issuer: str = ISSUER) -> Any:
        return self.directory.reset(issuer)

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - no event loop runs this face

    @contextlib.asynccontextmanager
    async def aside(self, call: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Aside]:
        aside = Aside()
        with ThreadPoolExecutor(1) as pool:
            work: Future[None] = pool.submit(lambda: run(aside.run(call)))
            yield aside
            work.result()

    async def close(self) -> None:
        if self.directory is not None:
            self.directory.close()
        for client in self.clients:
            client.close()


class AsyncStage(Stage):
    kind = AsyncKeyDirectory
    client = httpx.AsyncClient

    async def find(self, key: SigningKey | str = A, issuer: str = ISSUER) -> Any:
        return await self.directory.find(issuer, key if isinstance(key, str) else key.kid)

    async def refresh(self, issuer: str = ISSUER) -> Any:
        return await self.directory.refresh(issuer)

    async def reset(self, issuer: str = ISSUER) -> Any:
        done = self.directory.reset(issuer)
        return await done if inspect.isawaitable(done) else done

    async def pause(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def aside(self, call: Callable[[], Awaitable[Any]]) -> AsyncGenerator[Aside]:
        aside = Aside()
        async with anyio.create_task_group() as group:
            group.start_soon(aside.run, call)
            yield aside

    async def close(self) -> None:
        if self.directory is not None:
            await self.directory.aclose()
        for client in self.clients:
            await client.aclose()
