"""Wrong about the header fields of a call against what was signed of them."""

from __future__ import annotations

from typing import Final

from .calls import CallRow
from .requests import BODY, JSON, Arrival, digest, got, posted
from .tokens import GONE

TYPE: Final = ("Content-Type", JSON)


def with_fields(*fields: tuple[str, str], **http: object) -> Arrival:
    """Return the POST with these fields beside its type; `http` are further signed members."""
    return posted({}, {name.replace("_", "-"): value for name, value in http.items()}, fields=(TYPE, *fields))


def of_type(content_type: str, body: bytes = BODY, **http: object) -> Arrival:
    fields = (("Content-Type", content_type), *(("Content-Encoding", str(one)) for one in http.values()))
    members = {"content-type": content_type, "content-digest": digest(body)}
    members.update({name.replace("_", "-"): value for name, value in http.items()})  # type: ignore[misc]
    return posted({}, members, fields=fields, body=body)


UNKNOWN: Final = (
    "@foo",
    "@method",
    "@target-uri",
    "@authority",
    "@path",
    "@status",
    "X-Tenant",
    "content type",
    "",
    "x;sf",
    '"x"',
    "é",
    "x\n",
)
OVERRIDES: Final = (
    "X-HTTP-Method-Override",
    "x-http-method-override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X_HTTP_Method_Override",
)
GUARDED: Final = (
    "Content-Encoding",
    "Idempotency-Key",
    "Range",
    "Content-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "If-Range",
    "If",
    "If-Whatever",
    "IF_MATCH",
    "content_encoding",
)
FIELDS: Final[dict[str, tuple[str, Arrival]]] = {
    "f1-type-changed": ("content-type", posted(fields=(("Content-Type", "text/plain"),))),
    "f1-type-in-other-case": ("content-type", posted(fields=(("Content-Type", "Application/JSON"),))),
    "f1-parameter-added": ("content-type", posted(fields=(("Content-Type", f"{JSON}; charset=utf-8"),))),
    "f1-boundary-changed": (
        "content-type",
        posted(
            {},
            {"content-type": "multipart/form-data; boundary=a"},
            fields=(("Content-Type", "multipart/form-data; boundary=b"),),
        ),
    ),
    "f1-type-missing": ("content-type", posted(fields=())),
    "f1-type-twice": ("content-type", posted(fields=(TYPE, TYPE))),
    "f1-type-twice-as-signed": (
        "content-type",
        posted({}, {"content-type": f"{JSON}, {JSON}"}, fields=(TYPE, TYPE)),
    ),
    "f1-second-type-behind": ("content-type", posted(fields=(TYPE, ("content-type", "text/plain")))),
    "f1-type-not-signed-with-a-body": ("content-type", posted({}, {"content-type": GONE})),
    "f1-type-not-signed-and-not-there": ("content-type", posted({}, {"content-type": GONE}, fields=())),
    "f2-signed-field-missing": ("x-tenant", with_fields(x_tenant="a")),
    "f2-signed-field-changed": ("x-tenant", with_fields(("X-Tenant", "b"), x_tenant="a")),
    "f2-signed-field-twice": ("x-tenant", with_fields(("X-Tenant", "a"), ("X-Tenant", "b"), x_tenant="a")),
    "f2-signed-fields-in-another-order": (
        "x-tenant",
        with_fields(("X-Tenant", "b"), ("X-Tenant", "a"), x_tenant="a, b"),
    ),
    "f2-signed-fields-joined-otherwise": (
        "x-tenant",
        with_fields(("X-Tenant", "a"), ("X-Tenant", "b"), x_tenant="a,b"),
    ),
    "f2-signed-as-empty-and-not-there": ("x-tenant", with_fields(x_tenant="")),
    "f2-white-space-inside": ("x-tenant", with_fields(("X-Tenant", "a  b"), x_tenant="a b")),
    "f4-signed-coding-changed": ("content-encoding", with_fields(("Content-Encoding", "br"), content_encoding="gzip")),
    "f4-signed-key-removed": ("idempotency-key", with_fields(idempotency_key="a")),
    "f4-second-key": (
        "idempotency-key",
        with_fields(("Idempotency-Key", "a"), ("Idempotency-Key", "b"), idempotency_key="a"),
    ),
    "f5-signed-override": (
        "x-http-method-override",
        with_fields(("X-HTTP-Method-Override", "PUT"), x_http_method_override="PUT"),
    ),
}


def unknown(name: str) -> Arrival:
    return posted({}, {name: "x"}, fields=(TYPE, (name, "x"), ("X", "x")))


def overriding(name: str) -> CallRow:
    component = name.lower().replace("_", "-")
    return CallRow(f"f5-{name}", "binding", with_fields((name, "DELETE")), component)


def guarded(name: str) -> CallRow:
    return CallRow(f"f4-{name}-not-signed", "binding", with_fields((name, "x")), name.lower().replace("_", "-"))


ROWS: Final = (
    *(CallRow(id, "binding", arrival, component) for id, (component, arrival) in FIELDS.items()),
    *(CallRow(f"f3-unknown-member-{name!r}", "binding", unknown(name), name) for name in UNKNOWN),
    *map(guarded, GUARDED),
    *map(overriding, OVERRIDES),
)


def multipart() -> Arrival:
    body = b'--a\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--a--\r\n'
    return of_type("multipart/form-data; boundary=a", body)


ACCEPTED: Final = (
    CallRow("f1-form", "", of_type("application/x-www-form-urlencoded", b"a=1")),
    CallRow("f1-multipart", "", multipart()),
    CallRow("f1-type-without-a-body-is-no-matter", "", got(fields=(TYPE,))),
    CallRow("f1-type-without-a-body-signed", "", got({}, {"content-type": JSON}, fields=(TYPE,))),
    CallRow("f2-signed-field", "", with_fields(("X-Tenant", "a"), x_tenant="a")),
    CallRow("f2-signed-field-in-capitals", "", with_fields(("X-TENANT", "a"), x_tenant="a")),
    CallRow("f2-white-space-around", "", with_fields(("X-Tenant", " \ta b \t"), x_tenant="a b")),
    CallRow("f2-signed-fields-joined", "", with_fields(("X-Tenant", " a "), ("x-tenant", "b"), x_tenant="a, b")),
    CallRow("f2-signed-as-empty", "", with_fields(("X-Tenant", ""), x_tenant="")),
    CallRow("f2-signed-host", "", posted({}, {"host": "shop.example"})),
    CallRow("f2-fields-that-nobody-signed", "", with_fields(("Accept", "*/*"), ("Cookie", "a=b"), ("X-Tenant", "b"))),
    CallRow("f2-lengths-are-no-matter", "", with_fields(("Content-Length", "9"), ("Transfer-Encoding", "chunked"))),
    CallRow("f2-digest-field-is-not-read", "", with_fields(("Content-Digest", "md5=:AAAA:"))),
    CallRow("f4-signed-coding", "", with_fields(("Content-Encoding", "gzip"), content_encoding="gzip")),
    CallRow("f4-signed-key", "", with_fields(("Idempotency-Key", '"a"'), idempotency_key='"a"')),
    CallRow("f4-signed-condition", "", with_fields(("If-Match", '"x"'), if_match='"x"')),
    CallRow("f4-signed-range", "", with_fields(("Range", "bytes=0-1"), range="bytes=0-1")),
    CallRow("f4-signed-part", "", with_fields(("Content-Range", "bytes 0-1/9"), **{"content-range": "bytes 0-1/9"})),
)
