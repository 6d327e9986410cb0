"""The one place that builds HTTP transports and posts a token: httpx, with the caller's client if there is one.

No redirect is followed (it would hand the token to another receiver), no credential is
added, no cookie or proxy of the environment is used, and an answer is read up to a cap
and a deadline.
"""

from __future__ import annotations

import inspect
import os
import threading
from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.answers import ENVELOPE_MEDIA_TYPE, PROBLEM_TYPE
from signedmsg._core.delivery import NoAnswerError, Reply
from signedmsg._deadline import Deadline, bounded_transport
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    import httpx
    from anyio.lowlevel import RunVar

MAX_ANSWER: Final = 64 * 1024
_HEADERS: Final = {
    "content-type": ENVELOPE_MEDIA_TYPE,
    # A compressed answer could unfold into far more than the cap.
    "accept-encoding": "identity",
    "user-agent": "signedmsg",
}


class Poster:
    """Posts tokens, blocking; over a bare transport of its own, which keeps no cookies, or the caller's client.

    With its own, the time-out bounds the whole post; with the caller's, each read of the
    head of an answer, and of the body as a whole.
    """

    def __init__(self, client: httpx.Client | None, timeout: float, accept: str = PROBLEM_TYPE) -> None:
        check_client(client, suspends=False)
        self._headers = {**_HEADERS, "accept": accept}
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
            SigningError: the URL is none that can be contacted.
        """
        _check_url(url)
        self._deadline.start(self._timeout)
        try:
            response = self._send(url, token)
            try:
                return _reply(response, self._read(response))
            finally:
                response.close()
        except failures() as error:
            raise NoAnswerError(_met(error)) from None

    def _send(self, url: str, token: str) -> httpx.Response:
        if self._given is None:
            return self._transport().handle_request(_request(url, token, self._headers, self._timeout))
        timeout = _timeouts(self._timeout)
        request = self._given.build_request("POST", url, content=token, headers=self._headers, timeout=timeout)
        return self._given.send(request, stream=True, follow_redirects=False, auth=None)

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


class AsyncPoster:
    """The async twin of `Poster`: the time-out bounds the whole post, whosever the client is."""

    def __init__(self, client: httpx.AsyncClient | None, timeout: float, accept: str = PROBLEM_TYPE) -> None:
        check_client(client, suspends=True)
        self._headers = {**_HEADERS, "accept": accept}
        self._given = client
        self._own: RunVar[tuple[int, httpx.AsyncHTTPTransport]] | None = None
        self._timeout = timeout

    async def post(self, url: str, token: str) -> Reply | None:
        """See `Poster.post`."""
        import anyio
        import httpx

        _check_url(url)
        response: httpx.Response | None = None
        body = bytearray()
        try:
            with anyio.move_on_after(self._timeout) as scope:
                response = await self._send(url, token)
                await _read_into(body, response, scope)
        except httpx.TimeoutException:
            pass
        except failures() as error:
            raise NoAnswerError(_met(error)) from None
        finally:
            if response is not None:
                with anyio.CancelScope(shield=True):
                    await response.aclose()
        return None if response is None else _reply(response, bytes(body))

    async def _send(self, url: str, token: str) -> httpx.Response:
        if self._given is None:
            return await self._transport().handle_async_request(_request(url, token, self._headers, self._timeout))
        timeout = _timeouts(self._timeout)
        request = self._given.build_request("POST", url, content=token, headers=self._headers, timeout=timeout)
        return await self._given.send(request, stream=True, follow_redirects=False, auth=None)

    def _transport(self) -> httpx.AsyncHTTPTransport:
        """Return the transport of this process and event loop: connections belong to the one that opened them."""
        import httpx
        from anyio.lowlevel import RunVar

        if self._own is None:
            self._own = RunVar(f"signedmsg-transport-{id(self)}")
        pid, own = self._own.get((0, None))
        if own is None or pid != os.getpid():
            own = httpx.AsyncHTTPTransport(trust_env=False)
            self._own.set((os.getpid(), own))
        return own

    async def aclose(self) -> None:
        """Close the transport of this event loop, if it is our own."""
        pid, own = self._own.get((0, None)) if self._own is not None else (0, None)
        if own is not None and pid == os.getpid():
            await own.aclose()


async def _read_into(body: bytearray, response: httpx.Response, scope: Any) -> None:
    if response.is_stream_consumed:
        body += response.content
        return
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            # Not `break`, which would leave the async generators below to the garbage collector.
            scope.cancel()


def check_client(client: object, *, suspends: bool) -> None:
    """Refuse a client of the other colour, or something that is none."""
    send = getattr(client, "send", None)
    if client is not None and (not callable(send) or inspect.iscoroutinefunction(send) is not suspends):
        expected = "httpx.AsyncClient" if suspends else "httpx.Client"
        raise TypeError(f"client: expected an {expected}, got {type(client).__name__}")


def _check_url(url: str) -> None:
    """Refuse, before anything is sent, what httpx or the resolver would trip over."""
    import httpx

    try:
        # Of an ASCII name this only checks that its labels have 1 to 63 octets (RFC 1035 §2.3.4).
        httpx.URL(url).raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SigningError(f"url: it cannot be contacted: {error}") from None


def _request(url: str, token: str, headers: dict[str, str], timeout: float) -> httpx.Request:
    import httpx

    extensions = {"timeout": _timeouts(timeout).as_dict()}
    return httpx.Request("POST", url, content=token, headers=headers, extensions=extensions)


def _timeouts(timeout: float) -> httpx.Timeout:
    """Share the time out so that httpx itself gives up a connection (for the pool, TCP, TLS) before anyone cancels it.

    Cancelled during the TLS handshake, it would leave the socket open, for as long as a hostile receiver likes.
    """
    import httpx

    return httpx.Timeout(timeout, connect=timeout / 3, pool=timeout / 3)


def failures() -> tuple[type[Exception], ...]:
    """Return what ends an exchange without an answer; a client that looks at a bad `Location` raises the last two."""
    import httpx

    return httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, UnicodeError


def _met(error: Exception) -> str:
    """Name a failure; the text only of one to connect (a name, a port, a certificate), which the peer did not write."""
    import httpx

    name = type(error).__name__
    return f"{name}: {str(error)[:200]}" if isinstance(error, httpx.ConnectError) and str(error) else name


def _reply(response: httpx.Response, body: bytes) -> Reply:
    """Keep the status even of an answer that is too long or too slow: its verdict needs no body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body[:MAX_ANSWER])
