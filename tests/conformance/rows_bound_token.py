"""Wrong in the token of a call: its kind, its key, its signature, its claims, its time, its audience, its issuer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from signedmsg import MemoryReplayCache

from .calls import CALLS, CallRow
from .requests import ORIGIN, PATH, TYP, Arrival, bound, got, payload_of, posted
from .rows_keys import LISTING, OneReading, from_file
from .rows_message import Down
from .rows_signatures import ORDERS, signature_of
from .table import Setup, issuer
from .tokens import GONE, NOW, OTHER_ISSUER, b64, ecdsa, envelope, header_of, key, signed

KEY: Final = key("ES256")
OTHER_JTI: Final = "AAAAAAAAAAAAAAAAAAAAAA"
HEADER: Final = header_of(KEY, {"typ": TYP})


def setup(*issuers: Any, **more: Any) -> Setup:
    return Setup(issuers or CALLS.issuers, audience=more.pop("audience", ORIGIN), **more)


def allowing(*patterns: str) -> Setup:
    return setup(issuer(KEY.jwk(), allow=patterns))


def carrying(token: str) -> Arrival:
    return posted().but(token=token)


def memory(**options: Any) -> MemoryReplayCache:
    return MemoryReplayCache(clock=lambda: 0.0, **options)


def altered(name: str, value: str) -> str:
    """Return a token in which one member of the claims was changed after it was signed."""
    head, _, signature = bound().split(".")
    return f"{head}.{b64(payload_of({name: value}))}.{signature}"


def twin() -> str:
    """Return the token with the other ECDSA signature that verifies: (r, n - s)."""
    token = bound()
    signature = signature_of(token)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return f"{token.rpartition('.')[0]}.{b64(ecdsa(r, ORDERS['ES256'] - s))}"


DUPLICATE: Final = payload_of().replace(b'"htm":"POST"', b'"htm":"GET","htm":"POST"')
KINDS: Final[dict[str, object]] = {
    "t1-kind-of-an-envelope": "vnd.signedmsg+jwt",
    "t1-kind-of-a-response": "vnd.signedmsg.res+jwt",
    "t1-kind-of-a-receipt": "vnd.signedmsg.receipt+jwt",
    "t1-kind-of-an-access-token": "at+jwt",
    "t1-kind-of-a-dpop-proof": "dpop+jwt",
    "t1-kind-jwt": "JWT",
    "t1-no-kind": GONE,
    "t1-kind-of-another-tree": "text/vnd.signedmsg.req+jwt",
}
CLAIMED: Final[dict[str, dict[str, object]]] = {
    "t4-sub": {"sub": "x"},
    "t4-events": {"events": {}},
    "t4-scope": {"scope": "x"},
    "t4-client-id": {"client_id": "x"},
    "t5-no-htm": {"htm": GONE},
    "t5-htm-list": {"htm": ["POST"]},
    "t5-htm-empty": {"htm": ""},
    "t5-htm-with-a-control": {"htm": "POST\n"},
    "t5-no-htu": {"htu": GONE},
    "t5-htu-number": {"htu": 1},
    "t5-htu-empty": {"htu": ""},
    "t5-htu-with-a-space": {"htu": f"{ORIGIN}{PATH} "},
    "t5-htu-not-ascii": {"htu": f"{ORIGIN}/é"},
    "t5-no-http": {"http": GONE},
    "t5-http-null": {"http": None},
    "t5-http-list": {"http": ["content-type"]},
    "t5-http-text": {"http": "content-type"},
    "t5-http-member-number": {"http": {"content-type": 1}},
    "t5-http-member-null": {"http": {"content-type": None}},
    "t5-http-member-list": {"http": {"content-type": ["application/json"]}},
    "t6-no-jti": {"jti": GONE},
    "t6-short-jti": {"jti": "short"},
    "t6-no-aud": {"aud": GONE},
    "t6-two-audiences": {"aud": [ORIGIN, "https://other.example"]},
    "t6-one-audience-in-a-list": {"aud": [ORIGIN]},
    "t6-no-iat": {"iat": GONE},
    "t6-no-exp": {"exp": GONE},
    "t6-exp-text": {"exp": str(NOW + 60)},
    "t6-exp-fraction": {"exp": NOW + 0.5},
    "t6-exp-before-iat": {"exp": NOW - 1},
}
TIMES: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "t7-ended-at-the-last-moment": ("expired", {"iat": NOW - 90, "exp": NOW - 30}),
    "t7-one-second-too-young": ("not_yet_valid", {"iat": NOW + 31, "exp": NOW + 60}),
    "t7-nbf-in-the-future": ("not_yet_valid", {"nbf": NOW + 31}),
    "t7-lives-too-long": ("lifetime", {"exp": NOW + 301}),
}
AUDIENCES: Final = {
    "t8-audience-with-a-slash": f"{ORIGIN}/",
    "t8-audience-in-capitals": "https://SHOP.example",
    "t8-audience-with-the-default-port": f"{ORIGIN}:443",
    "t8-audience-of-an-envelope": f"{ORIGIN}/inbox",
    "t8-audience-with-the-path": f"{ORIGIN}{PATH}",
    "t8-audience-http": "http://shop.example",
    "t8-audience-that-begins-like-it": f"{ORIGIN}.evil.example",
    "t8-audience-of-another": "https://other.example",
}
DENIED: Final = {
    "t9-nothing-allowed": (),
    "t9-other-method": ("GET /v1/transfers",),
    "t9-other-path": ("POST /v1/transfer",),
    "t9-path-below": ("POST /v1/transfers/*",),
    "t9-path-above": ("POST /v1",),
    "t9-prefix-without-its-slash": ("POST /v1/trans/*",),
    "t9-message-type": ("POST", "invoice.*", "transfers"),
    "t9-method-alone-below-another-path": ("* /v2/*",),
}
ROWS: Final = (
    *(CallRow(id, "unsupported", posted(header={"typ": typ})) for id, typ in KINDS.items()),
    *(CallRow(id, "claim", posted(claims)) for id, claims in CLAIMED.items()),
    *(CallRow(id, code, posted(claims)) for id, (code, claims) in TIMES.items()),
    *(CallRow(id, "audience", posted({"aud": audience})) for id, audience in AUDIENCES.items()),
    *(CallRow(id, "not_allowed", posted(), setup=allowing(*patterns)) for id, patterns in DENIED.items()),
    CallRow("t1-envelope-with-the-kind-of-a-call", "claim", carrying(envelope({"aud": ORIGIN}, header={"typ": TYP}))),
    CallRow("t2-unknown-header-member", "unsupported", posted(header={"jku": "https://evil.example"})),
    CallRow("t2-algorithm-none", "unsupported", posted(header={"alg": "none"})),
    CallRow("t2-algorithm-not-the-keys", "unsupported", posted(header={"alg": "ES384"})),
    CallRow("t2-algorithm-not-accepted", "unsupported", posted(), setup=setup(issuer(KEY.jwk(), algorithms=["ES384"]))),
    CallRow("t3-unknown-issuer", "unknown_issuer", posted({"iss": "https://evil.example"})),
    CallRow("t3-unknown-key", "unknown_key", posted(header={"kid": "another"})),
    CallRow(
        "t3-key-of-another-issuer",
        "unknown_key",
        posted({"iss": OTHER_ISSUER}),
        setup=setup(*CALLS.issuers, issuer(key("ES256", 2).jwk(), id=OTHER_ISSUER)),
    ),
    CallRow(
        "t3-key-not-valid-yet", "key_not_valid", posted(), setup=setup(issuer(KEY.jwk(nbf=NOW + 31, exp=NOW + 999)))
    ),
    CallRow(
        "t3-signature-of-another-key", "invalid_signature", posted(header={"kid": KEY.kid}, signer=key("ES256", 2))
    ),
    CallRow("t3-method-changed", "invalid_signature", carrying(altered("htm", "GET")).but(method="GET")),
    CallRow("t3-path-changed", "invalid_signature", carrying(altered("htu", f"{ORIGIN}/v1/x")).but(target="/v1/x")),
    CallRow("t3-jti-changed", "invalid_signature", carrying(altered("jti", OTHER_JTI))),
    CallRow("t3-claims-twice", "malformed", carrying(signed(HEADER, DUPLICATE, KEY))),
    CallRow("t3-claims-no-json", "malformed", carrying(signed(HEADER, b'{"iss":"https://billing.example",', KEY))),
    CallRow("t3-claims-a-list", "malformed", carrying(signed(HEADER, b"[]", KEY))),
    CallRow(
        "t3-member-of-http-twice",
        "malformed",
        carrying(signed(HEADER, payload_of().replace(b'"http":{', b'"http":{"content-type":"text/plain",'), KEY)),
    ),
    CallRow("t4-no-issuer", "claim", posted({"iss": GONE})),
    CallRow("t7-clock-an-hour-ahead", "expired", posted(), setup=setup(now=NOW + 3600)),
    # What is wrong first is told first: nobody learns of a binding without a genuine token in time.
    CallRow(
        "t10-bad-signature-and-another-method",
        "invalid_signature",
        carrying(altered("jti", OTHER_JTI)).but(method="PUT"),
    ),
    CallRow(
        "t10-unknown-issuer-and-dot-segments",
        "unknown_issuer",
        posted({"iss": "https://x.example"}).but(target="/a/../b"),
    ),
    CallRow("t10-expired-and-another-path", "expired", posted({"iat": NOW - 99, "exp": NOW - 39}).but(target="/v1/x")),
    CallRow("t10-audience-and-another-method", "audience", posted({"aud": "https://x.example"}).but(method="PUT")),
    CallRow("t10-binding-before-what-is-allowed", "binding", posted(method="PUT"), "htm", allowing()),
    CallRow("t10-not-allowed-and-another-body", "not_allowed", posted(body=b"{}"), setup=allowing()),
    CallRow("t11-replayed", "replayed", posted(), before=(posted(),)),
    CallRow("t11-replayed-with-the-other-signature", "replayed", carrying(twin()), before=(posted(),)),
    CallRow("t11-replayed-as-another-call", "replayed", got(), before=(posted(),)),
    CallRow(
        "t12-key-directory-down",
        "key_unavailable",
        posted(),
        setup=replace(from_file(LISTING, OneReading), audience=ORIGIN),
    ),
    CallRow("t12-store-down", "store_unavailable", posted(), setup=setup(store=Down)),
    CallRow(
        "t12-quota",
        "quota",
        posted({"jti": OTHER_JTI}),
        setup=setup(store=lambda: memory(capacity=10, quota=1)),
        before=(posted(),),
    ),
    CallRow(
        "t12-cache-younger-than-the-token",
        "store_unavailable",
        posted(),
        setup=setup(store=lambda: MemoryReplayCache(clock=lambda: NOW + 1.5)),
    ),
)
PUBLIC: Final = "https://billing.example/region"
ALLOWED: Final = {
    "t9-everything": ("*",),
    "t9-every-call": ("* /*",),
    "t9-every-method": ("* /v1/transfers",),
    "t9-exactly-this": ("POST /v1/transfers",),
    "t9-below-a-path": ("POST /v1/*",),
    "t9-second-pattern": ("GET /v1/transfers", "POST /v1/transfers"),
}
ACCEPTED: Final = (
    *(CallRow(id, "", posted(), setup=allowing(*patterns)) for id, patterns in ALLOWED.items()),
    CallRow("t1-kind-with-application-in-front", "", posted(header={"typ": f"application/{TYP}"})),
    CallRow("t1-kind-in-capitals", "", posted(header={"typ": TYP.upper()})),
    CallRow("t2-algorithm-accepted", "", posted(), setup=setup(issuer(KEY.jwk(), algorithms=["ES256"]))),
    CallRow("t3-ed25519", "", posted(signer=key("Ed25519")), setup=setup(issuer(key("Ed25519").jwk()))),
    CallRow("t4-public-claim", "", posted({PUBLIC: ["eu"]})),
    CallRow("t4-unknown-claims-are-ignored", "", posted({"ath": "x", "nonce": "x", "msg": {}})),
    CallRow("t7-last-moment", "", posted({"iat": NOW - 89, "exp": NOW - 29})),
    CallRow("t7-as-young-as-the-leeway", "", posted({"iat": NOW + 30})),
    CallRow("t7-longest-lifetime", "", posted({"exp": NOW + 300})),
    CallRow(
        "t8-audience-is-a-name",
        "",
        posted({"aud": "urn:shop"}),
        setup=setup(audience="urn:shop", options={"external_url": ORIGIN}),
    ),
    CallRow(
        "t8-audience-is-an-endpoint",
        "",
        posted({"aud": f"{ORIGIN}/inbox"}),
        setup=setup(audience=f"{ORIGIN}/inbox", options={"external_url": ORIGIN}),
    ),
    CallRow(
        "t11-same-jti-of-another-issuer",
        "",
        posted({"iss": OTHER_ISSUER}),
        setup=setup(*CALLS.issuers, issuer(KEY.jwk(), id=OTHER_ISSUER)),
        before=(posted(),),
    ),
    CallRow("t11-another-jti", "", posted({"jti": OTHER_JTI}), before=(posted(),)),
    CallRow(
        "t12-cache-as-old-as-the-second",
        "",
        posted(),
        setup=setup(store=lambda: MemoryReplayCache(clock=lambda: NOW + 0.5)),
    ),
)
