"""`CapturingTransport` for httpx2: what would have gone out, and answers as a test tells them."""

from __future__ import annotations

try:
    import httpx2
except ModuleNotFoundError as error:
    if error.name != "httpx2":
        raise
    needs = "signedmsg.testing.httpx2 needs httpx2: pip install 'signedmsg[httpx2]'"
    raise ModuleNotFoundError(needs, name=error.name) from None

from signedmsg.testing._capture import Captured, Capturing

__all__ = ["Captured", "CapturingTransport"]


class CapturingTransport(
    Capturing["int | httpx2.Response | Exception"], httpx2.BaseTransport, httpx2.AsyncBaseTransport
):
    """A transport that sends nothing: for `httpx2.Client(transport=...)`, and for an `AsyncClient`.

    ```python
    transport = CapturingTransport(peer, 503, 202)
    sender = Sender(peer.issuer, peer.key, client=httpx2.Client(transport=transport))
    ```

    Args:
        peer: whose key the requests are signed with.
        answers: what to answer, in turn, and the last for good: a status, a `Response`, or an
            exception to raise. None means 202 each time.
    """

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep the request, and answer."""
        self.keep(request, request.read())
        return self._answer()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See `handle_request`."""
        self.keep(request, await request.aread())
        return self._answer()

    def _answer(self) -> httpx2.Response:
        answer = self.next_answer()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx2.Response):
            # A client consumes its response, so one that is given again is given anew.
            return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.read())
        return httpx2.Response(202 if answer is None else answer)
