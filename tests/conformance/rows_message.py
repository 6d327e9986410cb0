"""Wrong in the message: its members, who may send it, its model, its handler, and the stores."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, field_validator

from signedmsg import MemoryReplayCache, Router, StoreError

from .rows_signatures import ORDERS, signature_of
from .table import Row, Setup, trusting
from .tokens import GONE, NOW, OTHER_ISSUER, b64, ecdsa, envelope, key

KEY: Final = key("ES256")
OTHER_JTI: Final = "AAAAAAAAAAAAAAAAAAAAAA"


class Invoice(BaseModel, extra="forbid"):
    invoice: int


class Explosive(BaseModel):
    """A model whose author did not think of everything."""

    invoice: Any

    @field_validator("invoice")
    @classmethod
    def trip(cls, value: Any) -> Any:
        return value["there is no such member"]


def handler(message: object) -> None:
    """Take any message."""


def router(*types: str, fallback: bool = False) -> Router:
    made = Router()
    for one in types:
        made.on(one)(handler)
    if fallback:
        made.fallback(handler)
    return made


def typed_router() -> Router:
    made = Router()
    made.on("invoice.paid", Invoice)(handler)
    return made


class Down:
    def add(self, key: bytes, keep: float, *, issuer: str, issued_at: float) -> bool:
        raise StoreError("down")


def memory(**options: Any) -> MemoryReplayCache:
    return MemoryReplayCache(clock=lambda: 0.0, **options)


NOT_A_LABEL: Final[dict[str, object]] = {
    "null": None,
    "number": 1,
    "true": True,
    "array": ["invoice.paid"],
    "object": {},
    "empty": "",
    "with-nul": "invoice\0paid",
    "with-newline": "invoice.paid\n",
    "with-escape-sequence": "\x1b[31minvoice",
    "with-c1-control": "invoice\x85paid",
    "with-line-separator": "invoice\u2028paid",
    "of-257-characters": "t" * 257,
}
MEMBERS: Final[dict[str, dict[str, object]]] = {
    "r92-v-missing": {"v": GONE},
    "r92-v-null": {"v": None},
    "r92-v-string": {"v": "1"},
    "r92-v-fraction": {"v": 1.0},
    "r92-v-true": {"v": True},
    "msg-id-missing": {"id": GONE},
    "msg-id-number": {"id": 1},
    "msg-id-empty": {"id": ""},
    "msg-id-with-space": {"id": "a b"},
    "msg-id-outside-ascii": {"id": "é"},
    "msg-id-of-129-characters": {"id": "i" * 129},
    "msg-type-missing": {"type": GONE},
    "msg-time-missing": {"time": GONE},
    "msg-time-null": {"time": None},
    "msg-time-number": {"time": NOW},
    "msg-time-without-zone": {"time": "2027-01-15T08:00:00"},
    "msg-time-with-a-space": {"time": "2027-01-15 08:00:00Z"},
    "msg-time-only-a-date": {"time": "2027-01-15"},
    "msg-time-that-does-not-exist": {"time": "2027-02-30T08:00:00Z"},
    "msg-time-of-month-13": {"time": "2027-13-01T08:00:00Z"},
    "msg-time-in-foreign-digits": {"time": "٢٠٢٧-01-15T08:00:00Z"},
    "msg-time-before-the-first-year": {"time": "0001-01-01T00:00:00+23:59"},
    "msg-time-after-the-last-year": {"time": "9999-12-31T23:59:59-23:59"},
    "msg-time-of-week-date": {"time": "2027-W01-1T08:00:00Z"},
    "msg-data-missing": {"data": GONE},
    "msg-until-null": {"until": None},
    "msg-until-string": {"until": str(NOW)},
    "msg-until-true": {"until": True},
    "msg-until-fraction": {"until": NOW + 0.5},
    "msg-until-zero": {"until": 0},
    "msg-until-two-to-the-53": {"until": 2**53},
}
ACCOUNT: Final = Setup(options={"account": "acme"})
ALLOWED: Final[dict[str, tuple[list[str], str]]] = {
    "r92-nothing-allowed": ([], "invoice.paid"),
    "r92-another-type-allowed": (["order.placed"], "invoice.paid"),
    "r92-type-in-another-case": (["invoice.paid"], "Invoice.paid"),
    "r92-type-longer-than-allowed": (["invoice.paid"], "invoice.paid.twice"),
    "r92-prefix-does-not-match-the-stem": (["invoice.*"], "invoice"),
    "r92-prefix-needs-its-dot": (["invoice.*"], "invoices.paid"),
    "r92-prefix-of-the-dot-alone": (["invoice.paid.*"], "invoice.paid"),
    "r92-star-in-the-type-is-no-pattern": (["invoice.paid"], "*"),
    "r92-type-with-trailing-space": (["invoice.paid"], "invoice.paid "),
    "r92-type-with-a-look-alike": (["invoice.paid"], "invoice.pa\u0456d"),
}
MODEL: Final = Setup(model=Invoice)
MISFITS: Final[dict[str, object]] = {
    "model-data-null": None,
    "model-data-array": [1],
    "model-data-string": "42",
    "model-member-missing": {},
    "model-member-of-another-type": {"invoice": "forty-two"},
    "model-member-null": {"invoice": None},
    "model-member-with-a-fraction": {"invoice": 1.5},
    "model-member-too-much": {"invoice": 1, "more": 1},
    "model-number-for-an-integer-too-large": {"invoice": 1e300},
}
ES256: Final = envelope()
BOTH: Final = (*trusting(KEY).issuers, *trusting(KEY, id=OTHER_ISSUER).issuers)


def twin() -> str:
    """Return the other signature (r, n - s) over the very same signing input."""
    signature = signature_of(ES256)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    return f"{ES256.rpartition('.')[0]}.{b64(ecdsa(r, ORDERS['ES256'] - s))}"


ROWS: Final = (
    *(Row(id, "claim", envelope(message=changes)) for id, changes in MEMBERS.items()),
    *(
        Row(f"r90-msg-{name}-{how}", "claim", envelope(message={name: value}))
        for name in ("type", "subject", "account")
        for how, value in NOT_A_LABEL.items()
    ),
    *(
        Row(f"msg-{how}", "claim", envelope({"msg": value}))
        for how, value in (("missing", GONE), ("null", None), ("array", []), ("string", "{}"), ("empty", {}))
    ),
    Row("r92-v-two", "unsupported", envelope(message={"v": 2})),
    Row("r92-v-zero", "unsupported", envelope(message={"v": 0})),
    Row("r92-v-huge", "unsupported", envelope(message={"v": 10**30})),
    Row("until-passed-at-the-last-moment", "too_late", envelope(message={"until": NOW - 30})),
    Row("until-passed-long-ago", "too_late", envelope(message={"until": 1})),
    Row("account-of-another-customer", "not_allowed", envelope(message={"account": "evil"}), ACCOUNT),
    Row("account-missing", "not_allowed", envelope(), ACCOUNT),
    Row("account-in-another-case", "not_allowed", envelope(message={"account": "Acme"}), ACCOUNT),
    *(
        Row(id, "not_allowed", envelope(message={"type": type}), trusting(KEY, allow=allow))
        for id, (allow, type) in ALLOWED.items()
    ),
    Row(
        "r92-type-allowed-to-another-issuer",
        "not_allowed",
        envelope(),
        Setup((*trusting(KEY, allow=["order.*"]).issuers, *trusting(KEY, id=OTHER_ISSUER, allow=["*"]).issuers)),
    ),
    *(Row(id, "payload", envelope(message={"data": data}), MODEL) for id, data in MISFITS.items()),
    Row("model-that-trips-over-the-data", "payload", envelope(), Setup(model=Explosive)),
    Row("model-of-a-plain-type", "payload", envelope(), Setup(model=int)),
    Row("router-without-a-handler", "unknown_type", envelope(), Setup(router=router())),
    Row(
        "router-with-handlers-of-other-types",
        "unknown_type",
        envelope(),
        Setup(router=router("invoice", "invoice.due")),
    ),
    Row("router-model-misfit", "payload", envelope(message={"data": {}}), Setup(router=typed_router())),
    Row("r86-same-token-again", "replayed", ES256, Setup(before=(ES256,))),
    Row("r86-same-token-as-bytes", "replayed", ES256.encode(), Setup(before=(ES256,))),
    Row("r86-twin-signature", "replayed", twin(), Setup(before=(ES256,))),
    Row("r86-signed-anew-with-the-same-jti", "replayed", envelope({"exp": NOW + 50}), Setup(before=(ES256,))),
    Row("r86-other-message-with-the-same-jti", "replayed", envelope(message={"id": "other"}), Setup(before=(ES256,))),
    Row("r87-store-down", "store_unavailable", envelope(), Setup(store=Down)),
    Row(
        "r87-store-full",
        "store_unavailable",
        envelope({"iss": OTHER_ISSUER}),
        Setup(BOTH, store=lambda: memory(capacity=1, quota=1), before=(ES256,)),
    ),
    Row(
        "r87-store-born-after-the-token",
        "store_unavailable",
        envelope(),
        Setup(store=lambda: MemoryReplayCache(clock=lambda: NOW + 5.0)),
    ),
    Row(
        "r88-issuer-over-its-quota",
        "quota",
        envelope({"jti": OTHER_JTI}),
        Setup(store=lambda: memory(capacity=10, quota=1), before=(ES256,)),
    ),
)
ACCEPTED: Final = (
    Row("r92-exact-type", "", envelope(), trusting(KEY, allow=["invoice.paid"])),
    Row("r92-prefix", "", envelope(), trusting(KEY, allow=["order.*", "invoice.*"])),
    Row("until-within-the-leeway", "", envelope(message={"until": NOW - 29})),
    Row("until-missing", "", envelope(message={"until": GONE})),
    Row("account-of-this-endpoint", "", envelope(message={"account": "acme"}), ACCOUNT),
    Row("account-where-none-is-asked-for", "", envelope(message={"account": "acme"})),
    Row("msg-labels-of-256-characters", "", envelope(message={"subject": "s" * 256, "type": "t" * 256})),
    Row("msg-id-of-128-characters", "", envelope(message={"id": "i" * 128})),
    Row("msg-time-with-an-offset", "", envelope(message={"time": "2027-01-15T09:30:00.123456789+01:30"})),
    Row("msg-data-null", "", envelope(message={"data": None})),
    Row("msg-unknown-member", "", envelope(message={"schema": "https://schemas.example/x"})),
    Row("model-that-fits", "", envelope(), MODEL),
    Row("router-with-a-handler", "", envelope(), Setup(router=router("invoice.paid"))),
    Row("router-with-a-fallback", "", envelope(), Setup(router=router(fallback=True))),
    Row("r86-another-jti", "", envelope({"jti": OTHER_JTI}), Setup(before=(ES256,))),
    Row(
        "r88-another-issuer-within-its-quota",
        "",
        envelope({"iss": OTHER_ISSUER, "jti": OTHER_JTI}),
        Setup(BOTH, store=lambda: memory(capacity=10, quota=1), before=(ES256,)),
    ),
)
