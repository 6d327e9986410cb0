"""Many sends at once: all are delivered that get a connection in time; the others have sent nothing, and say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from signedmsg import AsyncSender, DeliveryError

from .faces import FACES, ISSUER, KEY, Face

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST = 100
COUNT = 150
NOT_SENT = "message m: it was not sent: no connection was free in time"


class Crowd:
    """So many sends at once through one sender, and what each came to; `serve` answers one connection."""

    def __init__(self, backend: str, serve: Callable[[Crowd, Any], Awaitable[None]], timeout: float) -> None:
        self.errors: list[DeliveryError] = []
        self.delivered = self.under_way = self.most = 0
        self._serve = serve
        self._timeout = timeout
        anyio.run(self._run, backend=backend)

    async def _run(self) -> None:
        self.full = anyio.Event()
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=COUNT)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as serving:
            serving.start_soon(listener.serve, self._connection)
            sender = AsyncSender(ISSUER, KEY, dangerously_allow_http=True, timeout=self._timeout)
            async with sender, anyio.create_task_group() as sending:
                for _ in range(COUNT):
                    sending.start_soon(self._send, sender, f"http://127.0.0.1:{port}/inbox")
            serving.cancel_scope.cancel()

    async def _connection(self, stream: Any) -> None:
        async with stream:
            await stream.receive()
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await self._serve(self, stream)

    async def _send(self, sender: AsyncSender, url: str) -> None:
        try:
            await sender.send(url, {}, type="t", id="m")
        except DeliveryError as error:
            self.errors.append(error)
        else:
            self.delivered += 1


async def answer_once_a_hundred_are_here(crowd: Crowd, stream: Any) -> None:
    if crowd.under_way == MOST:
        crowd.full.set()
    await crowd.full.wait()
    crowd.under_way -= 1
    await stream.send(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


async def never_answer(_: Crowd, __: Any) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_sends_beyond_a_hundred_at_once_wait_for_their_turn_and_are_delivered(backend: str) -> None:
    crowd = Crowd(backend, answer_once_a_hundred_are_here, timeout=40.0)
    assert (crowd.delivered, crowd.errors) == (COUNT, [])
    assert crowd.most <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_send_that_never_gets_its_turn_says_that_nothing_was_sent(backend: str) -> None:
    crowd = Crowd(backend, never_answer, timeout=6.0)
    told = [(error.outcome, error.attempts, str(error) == NOT_SENT) for error in crowd.errors]
    assert told.count(("retry", 0, True)) == COUNT - MOST
    assert told.count(("unknown", 1, False)) == MOST
    assert crowd.under_way == MOST


def full(_: httpx.Request) -> httpx.Response:
    raise httpx.PoolTimeout("full")


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_pool_of_a_given_client_that_stays_full_means_that_nothing_was_sent(face: Face) -> None:
    with pytest.raises(DeliveryError) as caught:
        face.send("https://shop.example/inbox", client=lambda kind: kind(transport=httpx.MockTransport(full)))
    error = caught.value
    assert (error.outcome, error.attempts, error.retryable, str(error)) == ("retry", 0, True, NOT_SENT)
    # Either would hold the request, and so the token.
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.anyio
async def test_send_that_is_cancelled_gives_its_turn_back() -> None:
    async with AsyncSender(ISSUER, KEY, dangerously_allow_http=True, timeout=1.0) as sender:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1", backlog=MOST)
        url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}/inbox"
        async with listener:
            with anyio.move_on_after(0.3):
                async with anyio.create_task_group() as group:
                    for _ in range(COUNT):
                        group.start_soon(lambda: sender.send(url, {}, type="t"))
            with pytest.raises(DeliveryError) as caught:
                await sender.send(url, {}, type="t")
    assert caught.value.outcome == "unknown"
