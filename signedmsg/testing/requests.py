"""SignedRequest: a request as a peer signed it, in the words of each framework's test client."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from typing import Unpack


class HTTPXArguments(TypedDict):
    """What `request` of httpx takes, and of the test clients that are made of it."""

    method: str
    url: str
    headers: dict[str, str]
    content: bytes


class FlaskArguments(TypedDict):
    """What `open` of werkzeug's test client takes."""

    method: str
    path: str
    query_string: str
    headers: dict[str, str]
    data: bytes


class DjangoArguments(TypedDict):
    """What `generic` of Django's test clients takes."""

    method: str
    path: str
    data: bytes
    content_type: str
    headers: dict[str, str]


class Changes(TypedDict, total=False):
    """What `but` changes."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request that a `Peer` signed: a call, or the delivery of a message.

    The URL is that of the service as its callers know it. A test client sends the request
    to the application in the same process; nothing of the host reaches what is verified.

    Attributes:
        method: the HTTP method.
        url: where it goes.
        headers: its header fields, with the credential of a call.
        body: its octets.
        token: its token alone.
    """

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    token: str = field(repr=False)

    @property
    def target(self) -> str:
        """Path and query, as they stand in the request line."""
        parts = urlsplit(self.url)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def but(self, **changes: Unpack[Changes]) -> SignedRequest:
        """Return it changed after it was signed: what somebody on the way could do."""
        return replace(self, **changes)

    def for_httpx(self) -> HTTPXArguments:
        """Return arguments for `client.request(**...)` of FastAPI's, Starlette's and Litestar's test clients.

        The URL is the path alone, since those clients have a base URL of their own.
        """
        return {"method": self.method, "url": self.target, "headers": dict(self.headers), "content": self.body}

    def for_flask(self) -> FlaskArguments:
        """Return arguments for `client.open(**...)` of Flask's, and any other werkzeug, test client."""
        path, _, query = self.target.partition("?")
        return {
            "method": self.method,
            "path": path,
            "query_string": query,
            "headers": dict(self.headers),
            "data": self.body,
        }

    def for_django(self) -> DjangoArguments:
        """Return arguments for `client.generic(**...)` of Django's `Client`; await that of `AsyncClient`."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-type"}
        types = [value for name, value in self.headers.items() if name.lower() == "content-type"]
        return {
            "method": self.method,
            "path": self.target,
            "data": self.body,
            "content_type": types[0] if types else "",
            "headers": headers,
        }

    def for_receiver(self) -> tuple[str, str, dict[str, str], bytes]:
        """Return arguments for `receiver.verify_request(*...)`."""
        return self.method, self.target, dict(self.headers), self.body
