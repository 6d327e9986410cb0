"""The one place that builds HTTP transports and posts a token: httpx, with the caller's client if there is one.

No redirect is followed (it would hand the token to another receiver), no credential is
added, no cookie or proxy of the environment is used, and an answer is read up to a cap
and a deadline.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from signedmsg._core.answers import PROBLEM_TYPE
from signedmsg._core.delivery import NoAnswerError, NotSentError, Reply
from signedmsg._deadline import Deadline, bounded_transport
from signedmsg._exchange import (
    HEADERS,
    MAX_ANSWER,
    NO_CONNECTION,
    check_client,
    check_url,
    failures,
    met_with,
    reply_of,
    request_of,
    timeouts,
)

if TYPE_CHECKING:
    import anyio
    import httpx
    from anyio.lowlevel import RunVar

MAX_POSTS: Final = 100


class Poster:
    """Posts tokens, blocking; over a bare transport of its own, which keeps no cookies, or the caller's client.

    With its own, the time-out bounds the whole post; with the caller's, each read of the
    head of an answer, and of the body as a whole.
    """

    def __init__(self, client: httpx.Client | None, timeout: float, accept: str = PROBLEM_TYPE) -> None:
        check_client(client, suspends=False)
        self._headers = {**HEADERS, "accept": accept}
        self._given = client
        self._own: httpx.HTTPTransport | None = None
        self._parents: list[httpx.HTTPTransport] = []
        self._pid = os.getpid()
        self._making = threading.Lock()
        self._timeout = timeout
        self._deadline = Deadline()

    def post(self, url: str, token: str) -> Reply | None:
        """Post a token once; None when no complete answer came in time.

        Raises:
            NoAnswerError: something else ended the post.
            NotSentError: no connection was free in time.
            SigningError: the URL is none that can be contacted.
        """
        check_url(url)
        self._deadline.start(self._timeout)
        try:
            response = self._send(url, token)
            try:
                return reply_of(response, self._read(response))
            finally:
                response.close()
        except failures() as error:
            raise NoAnswerError(met_with(error)) from None

    def _send(self, url: str, token: str) -> httpx.Response:
        import httpx

        try:
            if self._given is None:
                return self._transport().handle_request(request_of(url, token, self._headers, self._timeout))
            timeout = timeouts(self._timeout)
            request = self._given.build_request("POST", url, content=token, headers=self._headers, timeout=timeout)
            return self._given.send(request, stream=True, follow_redirects=False, auth=None)
        except httpx.PoolTimeout:
            raise NotSentError(NO_CONNECTION) from None

    def _transport(self) -> httpx.HTTPTransport:
        if os.getpid() != self._pid:
            self._forget_parent()
        with self._making:
            if self._own is None:
                self._own = bounded_transport(self._deadline)
            return self._own

    def _forget_parent(self) -> None:
        """Leave the connections to the process that made them: on a shared one each could read the other's answer."""
        # The lock may have been held when the process forked, by a thread that is not here.
        self._making, self._pid = threading.Lock(), os.getpid()
        if self._own is not None:
            # Kept for good: to close a TLS connection would tell the peer so, in the parent's name.
            self._parents.append(self._own)
            self._own = None

    def _read(self, response: httpx.Response) -> bytes:
        import httpx

        if response.is_stream_consumed:
            return response.content
        body = bytearray()
        try:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER or self._deadline.passed():
                    break
        except httpx.TimeoutException:
            pass
        return bytes(body)

    def close(self) -> None:
        """Close the transport, if it is our own."""
        if self._own is not None and self._pid == os.getpid():
            self._own.close()


class _Own(NamedTuple):
    """What one event loop in one process sends with: its connections, and a turn for each."""

    process: int
    transport: httpx.AsyncHTTPTransport
    turns: anyio.CapacityLimiter


class AsyncPoster:
    """The async twin of `Poster`: the time-out bounds the whole post, whosever the client is.

    With its own transport, at most 100 posts are under way; the others wait for their turn, the
    first come first, for half of the time-out. In the transport they would wait by looking
    through all others each time one is done, which for a thousand takes seconds of CPU.
    """

    def __init__(self, client: httpx.AsyncClient | None, timeout: float, accept: str = PROBLEM_TYPE) -> None:
        check_client(client, suspends=True)
        self._headers = {**HEADERS, "accept": accept}
        self._given = client
        self._own: RunVar[_Own | None] | None = None
        self._timeout = timeout

    async def post(self, url: str, token: str) -> Reply | None:
        """See `Poster.post`."""
        import anyio

        check_url(url)
        ends = anyio.current_time() + self._timeout
        if self._given is not None:
            return await self._post(None, url, token, ends)
        own = self._here()
        # Who came first is over first, so without a bound of its own a turn would come when no time is left.
        with anyio.CancelScope(deadline=ends - self._timeout / 2) as waiting:
            await own.turns.acquire()
        if waiting.cancelled_caught:
            raise NotSentError(NO_CONNECTION)
        try:
            return await self._post(own, url, token, ends)
        finally:
            own.turns.release()

    async def _post(self, own: _Own | None, url: str, token: str, ends: float) -> Reply | None:
        import anyio
        import httpx

        response: httpx.Response | None = None
        body = bytearray()
        try:
            with anyio.CancelScope(deadline=ends) as scope:
                response = await self._send(own, url, token, max(ends - anyio.current_time(), 0.001))
                await _read_into(body, response, scope)
        except httpx.TimeoutException:
            pass
        except failures() as error:
            raise NoAnswerError(met_with(error)) from None
        finally:
            if response is not None:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        return None if response is None else reply_of(response, bytes(body))

    async def _send(self, own: _Own | None, url: str, token: str, left: float) -> httpx.Response:
        import httpx

        try:
            if own is not None:
                return await own.transport.handle_async_request(request_of(url, token, self._headers, left))
            assert self._given is not None  # noqa: S101 - see post
            timeout = timeouts(left)
            request = self._given.build_request("POST", url, content=token, headers=self._headers, timeout=timeout)
            return await self._given.send(request, stream=True, follow_redirects=False, auth=None)
        except httpx.PoolTimeout:
            raise NotSentError(NO_CONNECTION) from None

    def _here(self) -> _Own:
        """Return what this process and event loop sends with: connections belong to the one that opened them."""
        import anyio
        import httpx
        from anyio.lowlevel import RunVar

        if self._own is None:
            self._own = RunVar(f"signedmsg-transport-{id(self)}")
        own = self._own.get(None)
        if own is None or own.process != os.getpid():
            limits = httpx.Limits(max_connections=MAX_POSTS, max_keepalive_connections=20)
            transport = httpx.AsyncHTTPTransport(trust_env=False, limits=limits)
            own = _Own(os.getpid(), transport, anyio.CapacityLimiter(MAX_POSTS))
            self._own.set(own)
        return own

    async def aclose(self) -> None:
        """Close the transport of this event loop, if it is our own."""
        if self._own is None:
            return
        own = self._own.get(None)
        if own is not None and own.process == os.getpid():
            await own.transport.aclose()


async def _read_into(body: bytearray, response: httpx.Response, scope: Any) -> None:
    if response.is_stream_consumed:
        body += response.content
        return
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            # Not `break`, which would leave the async generators below to the garbage collector.
            scope.cancel()
