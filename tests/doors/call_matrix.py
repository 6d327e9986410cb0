"""What every door for bound requests must accept and refuse, as data, and clients that send it over loopback.

An application under test serves any method under `/v1/` and, as a mounted sub-application,
under `/sub/`; it answers with `CallStage.saw(call, body)` as JSON, where `body` is what the
framework reads after the door did. `GET /public/x` is exempt where the door knows exemptions.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import importlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from signedmsg import AsyncReceiver, Issuer, JWKSet, KeyDirectory, Receiver, SigningKey, StoreError

from . import raw
from .stage import CountingCache, FailingDirectory, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from signedmsg import Call
    from signedmsg.observe import Event

NOW = 1_800_000_000
ORIGIN = "https://shop.example"
ISSUER = "https://billing.example"
PEER = "https://reports.example"
KEY = SigningKey.generate()
PEER_KEY = SigningKey.generate()
JSON = "application/json"
ORDER = b'{"number":42,"secret":"hunter2"}'

DIRECTORY = KeyDirectory(
    Issuer(ISSUER, allow=["* /v1/*", "* /sub/*", "* /public/*"], keys=JWKSet(KEY.public)),
    Issuer(PEER, allow=["GET /v1/reports"], keys=JWKSet(PEER_KEY.public)),
)


class CallStage:
    """A receiver for calls and everything observable about it: `handled`, `cache.calls` and `events`."""

    def __init__(self, face: str, *, cache: CountingCache | None = None, **options: Any) -> None:
        self.handled: list[Call[Any]] = []
        self.events: list[Event] = []
        self.cache = CountingCache() if cache is None else cache
        audience, directory = options.pop("audience", ORIGIN), options.pop("directory", DIRECTORY)
        options = {"clock": lambda: NOW, "observe": self.events.append, **options}
        kind: Any = AsyncReceiver if face == "async" else Receiver
        self.receiver: Any = kind(audience, directory, self.cache, **options)

    def saw(self, call: Call[Any], body: bytes) -> dict[str, Any]:
        """Record a call that reached its handler, and return what the handler answers."""
        self.handled.append(call)
        return {
            "issuer": call.issuer,
            "method": call.method,
            "target": call.target,
            "same_body": body == call.body,
            "sha256": hashlib.sha256(body).hexdigest(),
        }


class Case(NamedTuple):
    """A good request: `options` go to the client's `request`, `body` is what must arrive (None: anything)."""

    method: str
    target: str
    options: dict[str, Any]
    body: bytes | None = b""


FORM = {"name": "Ann Onym", "note": "ü&="}
CASES = {
    "GET": Case("GET", "/v1/reports", {}),
    "HEAD": Case("HEAD", "/v1/reports", {}),
    "JSON": Case("POST", "/v1/orders", {"json": {"number": 42}}, b'{"number":42}'),
    "form": Case("POST", "/v1/orders", {"data": FORM}, b"name=Ann+Onym&note=%C3%BC%26%3D"),
    "multipart": Case("POST", "/v1/files", {"data": FORM, "files": {"file": ("a.bin", bytes(range(256)))}}, None),
    "empty POST": Case("POST", "/v1/orders", {}),
    "1 MiB": Case(
        "PUT", "/v1/files/1", {"content": bytes(2**20), "headers": {"content-type": "image/png"}}, bytes(2**20)
    ),
    "unusual query": Case("GET", "/v1/search?q=a%20b+c&q=%C3%A9&q=%c3%a9&x=%7e&&empty=&flag&y=a=b/c?d:@", {}),
    "unicode path": Case("GET", "/v1/café/東京/a%20b", {}),
    "trailing slash": Case("GET", "/v1/reports/", {}),
    "mounted": Case("POST", "/sub/orders?dry_run=1", {"json": {"number": 42}}, b'{"number":42}'),
    "Host rewritten": Case(
        "POST",
        "/v1/orders",
        {"json": {"number": 42}, "headers": {"host": "10.0.0.7:8080", "x-forwarded-host": "evil.example"}},
        b'{"number":42}',
    ),
}
CLIENTS = [(library, mode) for library in ("httpx", "httpx2") for mode in ("sync", "async")]
CLIENT_IDS = [f"{library}-{mode}" for library, mode in CLIENTS]


class Reply(NamedTuple):
    """An answer, whichever library brought it; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def send(port: int, case: Case, library: str = "httpx", mode: str = "sync", **auth: Any) -> Reply:
    """Call https://shop.example with a real client, whose transport leads to the port instead."""
    signed = importlib.import_module(f"signedmsg.{library}").SignedAuth(ISSUER, KEY, clock=lambda: NOW, **auth)
    if mode == "async":
        return asyncio.run(_send_async(port, case, library, signed))
    module: Any = importlib.import_module(library)
    with module.Client(transport=_loopback(module, port), auth=signed, trust_env=False, timeout=30) as client:
        return _reply(client.request(case.method, ORIGIN + case.target, **case.options))


async def _send_async(port: int, case: Case, library: str, auth: Any) -> Reply:
    module: Any = importlib.import_module(library)
    transport = _async_loopback(module, port)
    async with module.AsyncClient(transport=transport, auth=auth, trust_env=False, timeout=30) as client:
        return _reply(await client.request(case.method, ORIGIN + case.target, **case.options))


def _loopback(module: Any, port: int) -> Any:
    class Loopback(module.HTTPTransport):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
            return super().handle_request(request)

    # The certificates of the system would take longer to load than all of this.
    return Loopback(verify=False)


def _async_loopback(module: Any, port: int) -> Any:
    class Loopback(module.AsyncHTTPTransport):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
            return await super().handle_async_request(request)

    return Loopback(verify=False)


def _reply(response: Any) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def check_accepted(stage: CallStage, case: Case, reply: Reply) -> None:
    """Assert that the call reached its handler once, and that the framework could still read the body."""
    assert reply.status == 200, reply
    assert [call.method for call in stage.handled] == [case.method]
    call = stage.handled[0]
    assert call.issuer == ISSUER
    assert case.body is None or call.body == case.body
    if case.method != "HEAD":
        assert reply.json()["same_body"] is True
        assert reply.json()["sha256"] == hashlib.sha256(call.body).hexdigest()


SERIAL = iter(range(10**9))


def digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def mint(
    method: str = "POST",
    target: str = "/v1/orders",
    body: bytes = ORDER,
    content_type: str | None = JSON,
    *,
    key: SigningKey = KEY,
    origin: str = ORIGIN,
    http: dict[str, str] | None = None,
    **claims: Any,
) -> str:
    """Mint a token by hand that is good for this request but for what is given."""
    path, mark, query = target.partition("?")
    bound = {"@query": mark + query} if mark else {}
    if body:
        bound |= {"content-type": content_type or "", "content-digest": digest(body)}
    everything = {
        "iss": ISSUER,
        "aud": origin,
        "iat": NOW,
        "exp": NOW + 60,
        "jti": f"secret-jti-{next(SERIAL):022}",
        "htm": method,
        "htu": origin + path,
        "http": bound | (http or {}),
        **claims,
    }
    header = {"alg": key.alg, "kid": key.kid, "typ": "vnd.signedmsg.req+jwt"}
    signing_input = f"{encode(header)}.{encode(everything)}"
    return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


class Request(NamedTuple):
    """A request as it goes over the wire."""

    method: str = "POST"
    target: str = "/v1/orders"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = ORDER

    def octets(self) -> bytes:
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: shop.example", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def bearing(token: str, *more: tuple[str, str], content_type: str | None = JSON, **parts: Any) -> Request:
    fields = (("Authorization", f"Bearer {token}"), *((("Content-Type", content_type),) if content_type else ()), *more)
    return Request(headers=fields, **parts)


def get(target: str, *more: tuple[str, str], signed_for: str | None = None, **claims: Any) -> Request:
    token = mint("GET", target if signed_for is None else signed_for, b"", **claims)
    return bearing(token, *more, content_type=None, method="GET", target=target, body=b"")


def exchange(port: int, request: Request) -> Reply:
    return Reply(*raw.exchange(port, request.octets()))


class Refusal(NamedTuple):
    """One way to be refused: `code` None where it is enough that the status fits; `before` is sent first."""

    status: int
    code: str | None
    request: Callable[[], Request]
    options: Callable[[], dict[str, Any]] = dict
    twice: bool = False


def broken_store() -> dict[str, Any]:
    return {"cache": CountingCache(failure=StoreError("redis-7 is down", retry_after=7))}


def broken_directory() -> dict[str, Any]:
    from signedmsg import KeyDirectoryError

    class Broken(FailingDirectory):
        trusted = DIRECTORY.trusted

    return {"directory": Broken(KeyDirectoryError("keys.pem is gone"))}


REFUSALS = {
    "method": Refusal(401, "binding", lambda: bearing(mint("PUT"))),
    "path": Refusal(401, "binding", lambda: bearing(mint(target="/v1/transfers"))),
    "query added": Refusal(401, "binding", lambda: bearing(mint(), target="/v1/orders?admin=1")),
    "query order": Refusal(401, "binding", lambda: get("/v1/reports?b=2&a=1", signed_for="/v1/reports?a=1&b=2")),
    "query value": Refusal(401, "binding", lambda: get("/v1/reports?a=2", signed_for="/v1/reports?a=1")),
    "content type": Refusal(401, "binding", lambda: bearing(mint(), content_type="text/plain")),
    "one body byte": Refusal(401, "binding", lambda: bearing(mint(), body=ORDER.replace(b"42", b"43"))),
    "body not signed": Refusal(401, "binding", lambda: bearing(mint(body=b""))),
    "audience": Refusal(401, "audience", lambda: bearing(mint(origin="https://other.example"))),
    "replay": Refusal(409, "replayed", lambda: bearing(mint()), twice=True),
    "expired": Refusal(401, "expired", lambda: bearing(mint(iat=NOW - 120, exp=NOW - 60))),
    "no credential": Refusal(401, "credentials_missing", lambda: Request(headers=(("Content-Type", JSON),))),
    "two credentials": Refusal(
        400, "malformed", lambda: bearing(mint(), ("Authorization", f"Bearer {mint()}"), content_type=JSON)
    ),
    "junk": Refusal(400, "malformed", lambda: bearing("junk")),
    "too large": Refusal(
        413, "too_large", lambda: bearing(mint(body=b"A" * 2048), body=b"A" * 2048), lambda: {"max_body": 1024}
    ),
    "unknown issuer": Refusal(401, "verification_failed", lambda: bearing(mint(iss="https://who.example"))),
    "other key": Refusal(401, "verification_failed", lambda: bearing(mint(key=PEER_KEY))),
    "not allowed": Refusal(403, "not_allowed", lambda: bearing(mint(iss=PEER, key=PEER_KEY))),
    "store down": Refusal(503, "unavailable", lambda: bearing(mint()), broken_store),
    "directory down": Refusal(503, "unavailable", lambda: bearing(mint()), broken_directory),
    "Content-Encoding added": Refusal(401, "binding", lambda: bearing(mint(), ("Content-Encoding", "gzip"))),
    "If-Match added": Refusal(401, "binding", lambda: bearing(mint(), ("If-Match", '"1"'))),
    "method override": Refusal(401, "binding", lambda: bearing(mint(), ("X-HTTP-Method-Override", "DELETE"))),
}
# What no two servers hand on alike: each must be refused, or at least never reach a handler of another path.
CROOKED = {
    "dot segments": "/admin/../public/x",
    "encoded dots": "/admin/%2e%2e/public/x",
    "half encoded dots": "/v1/.%2E/sub/orders",
    "encoded slash after dots": "/public/..%2Fv1/orders",
    "double slash": "//v1/orders",
    "double slash inside": "/v1//orders",
    "encoded backslash": "/public/..%5Cv1/orders",
}


def check_refused(stage: CallStage, refusal: Refusal, reply: Reply, handled: int = 0) -> None:
    """Assert the status, the code and the header fields of a refusal, and that no handler ran."""
    assert (reply.status, len(stage.handled)) == (refusal.status, handled), reply
    problem = reply.json()
    assert (problem["status"], problem["code"]) == (refusal.status, refusal.code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    challenge = reply.headers.get("www-authenticate")
    if refusal.status == 401:
        assert challenge is not None
        assert challenge.startswith("Bearer")
        assert ("error=" in challenge) is (refusal.code != "credentials_missing")
    else:
        # RFC 6750 §3.1 allows a challenge with a 400 or 403 too.
        assert challenge is None or refusal.status in (400, 403)
    assert ("retry-after" in reply.headers) is (refusal.status in (429, 503))
    assert not secrets_in(reply)


def secrets_in(reply: Reply) -> set[str]:
    text = repr(reply)
    return {word for word in ("hunter2", "redis-7", "keys.pem", "secret-jti", KEY.kid, ORIGIN, ISSUER) if word in text}


def try_refusal(port: int, stage: CallStage, refusal: Refusal) -> None:
    """Send a request of the table to the port behind which `stage` stands, and check what comes back."""
    request = refusal.request()
    if refusal.twice:
        assert exchange(port, request).status == 200
    check_refused(stage, refusal, exchange(port, request), handled=int(refusal.twice))


def crooked_requests() -> Iterator[tuple[str, Request]]:
    """Yield every crooked target with a token that was signed for exactly that target."""
    for name, target in CROOKED.items():
        yield name, get(target)
