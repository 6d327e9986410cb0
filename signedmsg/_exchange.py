"""What every post over HTTP is made of, whichever client carries it: its headers, its shares of the time, its reply."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Final

from signedmsg._core.answers import ENVELOPE_MEDIA_TYPE
from signedmsg._core.delivery import Reply
from signedmsg.errors import SigningError

if TYPE_CHECKING:
    import httpx

MAX_ANSWER: Final = 64 * 1024
NO_CONNECTION: Final = "no connection was free in time"
HEADERS: Final = {
    "content-type": ENVELOPE_MEDIA_TYPE,
    # A compressed answer could unfold into far more than the cap.
    "accept-encoding": "identity",
    "user-agent": "signedmsg",
}


def check_client(client: object, *, suspends: bool) -> None:
    """Refuse a client of the other colour, or something that is none."""
    send = getattr(client, "send", None)
    if client is not None and (not callable(send) or inspect.iscoroutinefunction(send) is not suspends):
        expected = "httpx.AsyncClient" if suspends else "httpx.Client"
        raise TypeError(f"client: expected an {expected}, got {type(client).__name__}")


def check_url(url: str) -> None:
    """Refuse, before anything is sent, what httpx or the resolver would trip over."""
    import httpx

    try:
        # Of an ASCII name this only checks that its labels have 1 to 63 octets (RFC 1035 §2.3.4).
        httpx.URL(url).raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SigningError(f"url: it cannot be contacted: {error}") from None


def request_of(url: str, token: str, headers: dict[str, str], timeout: float) -> httpx.Request:
    """Make the request outside of any client, so that none adds its cookies or credentials."""
    import httpx

    extensions = {"timeout": timeouts(timeout).as_dict()}
    return httpx.Request("POST", url, content=token, headers=headers, extensions=extensions)


def timeouts(timeout: float) -> httpx.Timeout:
    """Share the time out so that httpx itself gives up a connection (for the pool, TCP, TLS) before anyone cancels it.

    Cancelled during the TLS handshake, it would leave the socket open, for as long as a hostile receiver likes.
    """
    import httpx

    return httpx.Timeout(timeout, connect=timeout / 3, pool=timeout / 3)


def failures() -> tuple[type[Exception], ...]:
    """Return what ends an exchange without an answer; a client that looks at a bad `Location` raises the last two."""
    import httpx

    return httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, UnicodeError


def met_with(error: Exception) -> str:
    """Name a failure; the text only of one to connect (a name, a port, a certificate), which the peer did not write."""
    import httpx

    name = type(error).__name__
    return f"{name}: {str(error)[:200]}" if isinstance(error, httpx.ConnectError) and str(error) else name


def reply_of(response: httpx.Response, body: bytes) -> Reply:
    """Keep the status even of an answer that is too long or too slow: its verdict needs no body."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body[:MAX_ANSWER])
