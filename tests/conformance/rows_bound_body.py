"""Wrong about the body of a call: its digest, its size, and the model that reads it."""

from __future__ import annotations

import base64
from hashlib import md5, sha1
from typing import Any, Final

from pydantic import BaseModel

from .calls import CallRow
from .requests import BODY, JSON, ORIGIN, Arrival, digest, got, posted
from .rows_bound_fields import TYPE, of_type
from .rows_message import Explosive
from .table import Setup

SHA256: Final = digest(BODY)
SHA512: Final = digest(BODY, "sha-512")


class Transfer(BaseModel, extra="forbid"):
    amount: int


def md5_of(body: bytes) -> str:
    return f"md5=:{base64.b64encode(md5(body).digest()).decode()}:"


def sha_of(body: bytes) -> str:
    return f"sha=:{base64.b64encode(sha1(body).digest()).decode()}:"


def digested(value: object, body: bytes = BODY) -> Arrival:
    return posted({}, {"content-digest": value}, body=body)


def reading(model: type[Any] = Transfer, **options: Any) -> Setup:
    return Setup(audience=ORIGIN, model=model, options=options)


DIGESTS: Final[dict[str, object]] = {
    "f6-md5": md5_of(BODY),
    "f6-sha": sha_of(BODY),
    "f6-unixsum": "unixsum=:AAA=:",
    "f6-unixcksum": "unixcksum=:AAAAAA==:",
    "f6-crc32c": "crc32c=:AAAAAA==:",
    "f6-md5-beside-sha-256": f"{SHA256}, {md5_of(BODY)}",
    "f6-unknown-algorithm": "sha3-256=:AAAA:",
    "f6-unknown-algorithm-beside-sha-256": f"{SHA256}, x=:AAAA:",
    "f6-sha-256-twice": f"{SHA256}, {SHA256}",
    "f6-empty": "",
    "f6-comma-behind": f"{SHA256},",
    "f6-no-colons": SHA256.replace(":", ""),
    "f6-one-colon": SHA256[:-1],
    "f6-text": 'sha-256="x"',
    "f6-parameter": f"{SHA256};x",
    "f6-name-in-capitals": SHA256.replace("sha", "SHA"),
    "f6-base64url": digest(b"o").replace("+", "-").replace("/", "_"),
    "f6-no-padding": f"{SHA256[:-2]}:",
    "f6-stray-bits": f"{SHA256[:-3]}x=:",
    "f6-too-short": "sha-256=:AAAA:",
    "f6-too-long": SHA512.replace("512", "256"),
    "f6-no-digest": "sha-256=::",
    "f6-hexadecimal": "sha-256=:" + "ab" * 32 + ":",
}
BODIES: Final[dict[str, Arrival]] = {
    "f7-another-body": posted(body=b'{"amount":43}'),
    "f7-same-json-in-other-octets": posted(body=b'{"amount": 42}'),
    "f7-line-break-behind": posted(body=BODY + b"\n"),
    "f7-byte-order-mark-before": posted(body=b"\xef\xbb\xbf" + BODY),
    "f7-empty": posted(body=b""),
    "f7-cut-short": posted(body=BODY[:-1]),
    "f7-where-none-was-signed": got(body=b"x"),
    "f7-sha-512-of-another": digested(digest(b"x", "sha-512")),
    "f7-second-digest-of-another": digested(f"{SHA256}, {digest(b'x', 'sha-512')}"),
    "f7-first-digest-of-another": digested(f"{digest(b'x')}, {SHA512}"),
    "f7-digest-of-nothing": digested(digest(b"")),
}
PAYLOADS: Final[dict[str, Arrival]] = {
    "f8-does-not-fit": of_type(JSON, b'{"amount":"x"}'),
    "f8-member-too-many": of_type(JSON, b'{"amount":42,"x":1}'),
    "f8-other-shape": of_type(JSON, b"[]"),
    "f8-name-twice": of_type(JSON, b'{"amount":42,"amount":43}'),
    "f8-nan": of_type(JSON, b'{"amount":NaN}'),
    "f8-no-json": of_type(JSON, b"amount=42"),
    "f8-two-texts": of_type(JSON, b'{"amount":42}{"amount":42}'),
    "f8-byte-order-mark": of_type(JSON, b"\xef\xbb\xbf" + BODY),
    "f8-utf-16": of_type(JSON, '{"amount":42}'.encode("utf-16")),
    "f8-not-utf-8": of_type(JSON, b'{"amount":42,"x":"\xff"}'),
    "f8-lone-surrogate": of_type(JSON, b'{"amount":"\\ud800"}'),
    "f8-too-deep": of_type(JSON, b"[" * 33 + b"]" * 33),
    "f8-empty-body-that-was-signed": of_type(JSON, b""),
    "f8-no-body": got(),
    "f8-no-body-but-a-type": got({}, {"content-type": JSON}, fields=(TYPE,)),
}
TYPES: Final[dict[str, str]] = {
    "f9-form": "application/x-www-form-urlencoded",
    "f9-text": "text/plain",
    "f9-text-json": "text/json",
    "f9-javascript": "application/javascript",
    "f9-with-a-long-s": "application/j\u017fon",
    "f9-like-json": "application/jsonx",
    "f9-json-in-latin-1": f"{JSON}; charset=iso-8859-1",
    "f9-json-in-utf-16": f"{JSON}; charset=utf-16",
    "f9-two-charsets": f"{JSON}; charset=utf-8; charset=latin-1",
    "f9-no-type": "x",
}
READABLE: Final[dict[str, str]] = {
    "f9-json": JSON,
    "f9-json-in-capitals": "APPLICATION/JSON",
    "f9-utf-8": f"{JSON}; charset=utf-8",
    "f9-utf-8-in-capitals": f"{JSON};charset=UTF-8",
    "f9-utf-8-quoted": f'{JSON}; charset="utf-8"',
    "f9-other-parameter": f"{JSON}; odata=verbose",
    "f9-suffix": "application/vnd.shop+json",
    "f9-suffix-with-a-quoted-parameter": 'application/ld+json; profile="https://shop.example/a b"',
}
SMALL: Final = Setup(audience=ORIGIN, options={"max_body": len(BODY) - 1})
ROWS: Final = (
    *(CallRow(id, "binding", digested(value), "content-digest") for id, value in DIGESTS.items()),
    *(CallRow(id, "binding", arrival, "content-digest") for id, arrival in BODIES.items()),
    *(CallRow(id, "payload", arrival, setup=reading()) for id, arrival in PAYLOADS.items()),
    *(
        CallRow(id, "unsupported_media_type", of_type(content_type), setup=reading())
        for id, content_type in TYPES.items()
    ),
    CallRow("f8-model-that-trips", "payload", posted(), setup=reading(Explosive)),
    CallRow("f8-no-json-without-a-model", "payload", of_type(JSON, b"{")),
    CallRow("f8-name-twice-without-a-model", "payload", of_type(JSON, b'{"a":1,"a":2}')),
    CallRow("f9-signed-coding", "unsupported_media_type", of_type(JSON, content_encoding="gzip"), setup=reading()),
    CallRow("f10-one-byte-too-large", "body_too_large", posted(), setup=SMALL),
    CallRow("f10-too-large-and-another", "body_too_large", posted(body=b"x" * 100), setup=SMALL),
    CallRow("f11-digest-before-the-model", "binding", posted(body=b"{"), "content-digest", reading()),
    CallRow("f11-model-before-the-cache", "payload", of_type(JSON, b"[]"), setup=reading(), before=(posted(),)),
)
ACCEPTED: Final = (
    *(CallRow(id, "", of_type(content_type), setup=reading()) for id, content_type in READABLE.items()),
    CallRow("f6-sha-512", "", digested(SHA512)),
    CallRow("f6-both", "", digested(f"{SHA256}, {SHA512}")),
    CallRow("f6-both-without-a-space", "", digested(f"{SHA512},{SHA256}")),
    CallRow("f7-empty-body-that-was-signed", "", of_type(JSON, b"")),
    CallRow("f8-without-a-model", "", posted()),
    CallRow("f8-other-type-without-a-model", "", of_type("text/plain", b"\xff")),
    CallRow("f8-coding-without-a-model", "", of_type(JSON, b"\x1f\x8b", content_encoding="gzip")),
    CallRow("f10-as-large-as-it-may-be", "", posted(), setup=Setup(audience=ORIGIN, options={"max_body": len(BODY)})),
    CallRow("f10-no-body-where-none-is-taken", "", got(), setup=Setup(audience=ORIGIN, options={"max_body": 0})),
)
