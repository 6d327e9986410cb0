"""Get a document from a key directory's host, within one deadline, up to a cap, and from nowhere else.

No redirect is followed, no cookie, credential or proxy of the environment is used, and
each read opens a connection of its own: they are minutes apart, and a connection that
was left open would not survive a fork, nor the end of an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from signedmsg._core.fetched import Fetched
from signedmsg._deadline import Deadline, bounded_transport
from signedmsg._exchange import check_client, failures
from signedmsg._jose.jwks import MAX_DOCUMENT_SIZE
from signedmsg.errors import KeyDirectoryError

if TYPE_CHECKING:
    import httpx

TIMEOUT: Final = 5.0
CONNECT: Final = 2.0


class Fetcher:
    """Gets documents, blocking; over a transport of its own, or the caller's client.

    With its own, the time-out bounds the whole read; with the caller's, each wait for the
    head of an answer, and of the body as a whole.
    """

    def __init__(self, client: httpx.Client | None) -> None:
        import httpx

        check_client(client, suspends=False)
        self._client = client
        # Made once, since loading the trusted roots takes longer than a read.
        self._trusted = httpx.create_ssl_context(trust_env=False) if client is None else None
        self._deadline = Deadline()

    def web(self) -> Fetcher:
        """Begin a read: return what may be got until the deadline."""
        self._deadline.start(TIMEOUT)
        return self

    async def get(self, url: str, accept: tuple[str, ...], etag: str | None) -> Fetched:
        """Return the answer; it never suspends.

        Raises:
            KeyDirectoryError: no complete answer came.
        """
        request = _request(url, accept, etag, TIMEOUT)
        try:
            if self._client is not None:
                response = self._client.send(request, stream=True, follow_redirects=False, auth=None)
                return self._taken(response)
            with bounded_transport(self._deadline, self._trusted) as transport:
                return self._taken(transport.handle_request(request))
        except failures() as error:
            raise _unread(url, error) from error

    def _taken(self, response: httpx.Response) -> Fetched:
        try:
            if response.is_stream_consumed:
                return _fetched(response, response.content)
            body = bytearray()
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > MAX_DOCUMENT_SIZE:
                    break
                self._deadline.left(None)
            return _fetched(response, bytes(body))
        finally:
            response.close()


class AsyncFetcher:
    """The async twin of `Fetcher`: the time-out bounds the whole read, whosever the client is."""

    def __init__(self, client: httpx.AsyncClient | None) -> None:
        import httpx

        check_client(client, suspends=True)
        self._client = client
        self._trusted = httpx.create_ssl_context(trust_env=False) if client is None else None
        if self._trusted is not None:
            # Loads httpcore now: in the first read it would stop the event loop for 100 ms.
            httpx.AsyncHTTPTransport(verify=self._trusted, trust_env=False)

    def web(self) -> _AsyncWeb:
        """Begin a read: return what may be got until the deadline."""
        import anyio

        return _AsyncWeb(self, anyio.current_time() + TIMEOUT)

    async def exchange(self, request: httpx.Request, take: Any) -> None:
        """Send a request and pass the answer on; whatever was opened is closed again."""
        import anyio
        import httpx

        own = httpx.AsyncHTTPTransport(verify=self._trusted, trust_env=False) if self._trusted is not None else None
        response: httpx.Response | None = None
        try:
            if self._client is not None:
                response = await self._client.send(request, stream=True, follow_redirects=False, auth=None)
            elif own is not None:
                response = await own.handle_async_request(request)
            await take(response)
        finally:
            with anyio.CancelScope(shield=True):
                if response is not None:
                    await response.aclose()
                if own is not None:
                    await own.aclose()


class _AsyncWeb:
    def __init__(self, fetcher: AsyncFetcher, ends: float) -> None:
        self._fetcher = fetcher
        self._ends = ends

    async def get(self, url: str, accept: tuple[str, ...], etag: str | None) -> Fetched:
        """See `Fetcher.get`."""
        import anyio

        body = bytearray()
        answers: list[httpx.Response] = []
        scope = anyio.CancelScope(deadline=self._ends)

        async def take(response: httpx.Response) -> None:
            answers.append(response)
            if response.is_stream_consumed:
                body.extend(response.content)
                return
            async for chunk in response.aiter_raw():
                body.extend(chunk)
                if len(body) > MAX_DOCUMENT_SIZE:
                    # Not `break`, which would leave the generators below to the garbage collector.
                    scope.cancel()

        request = _request(url, accept, etag, max(self._ends - anyio.current_time(), 0.01))
        try:
            with scope:
                await self._fetcher.exchange(request, take)
        except failures() as error:
            raise _unread(url, error) from error
        if scope.cancelled_caught and len(body) <= MAX_DOCUMENT_SIZE:
            raise KeyDirectoryError(f"{url}: it took longer than {TIMEOUT:g} s")
        return _fetched(answers[0], bytes(body))


def _request(url: str, accept: tuple[str, ...], etag: str | None, left: float) -> httpx.Request:
    """Make the request outside of any client, so that none adds its cookies or credentials.

    Connecting has less time than the whole: cancelled during a TLS handshake, httpx would
    leave the socket open.
    """
    import httpx

    headers = {
        "accept": ", ".join(accept),
        # A compressed document could unfold into far more than the cap.
        "accept-encoding": "identity",
        "user-agent": "signedmsg",
        **({"if-none-match": etag} if etag is not None else {}),
    }
    connect = min(CONNECT, left / 2)
    extensions = {"timeout": httpx.Timeout(left, connect=connect, pool=connect).as_dict()}
    try:
        return httpx.Request("GET", url, headers=headers, extensions=extensions)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise KeyDirectoryError(f"{url}: it cannot be contacted: {error}") from None


def _fetched(response: httpx.Response, body: bytes) -> Fetched:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Fetched(response.status_code, headers, body[: MAX_DOCUMENT_SIZE + 1])


def _unread(url: str, error: Exception) -> KeyDirectoryError:
    return KeyDirectoryError(f"{url}: {type(error).__name__}: {error}".rstrip(": "))
