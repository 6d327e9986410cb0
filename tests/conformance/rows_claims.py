"""Wrong in the claims: their JSON, their types, and for whom the token is."""

from __future__ import annotations

from typing import Final

from .table import Row, Setup, trusting
from .tokens import (
    AUDIENCE,
    GONE,
    ISSUER,
    JTI,
    NOW,
    OTHER_ISSUER,
    dump,
    envelope,
    header_of,
    key,
    payload_of,
    signed,
)

KEY: Final = key("ES256")
TEXT: Final = payload_of().decode()
HEADER: Final = header_of(KEY)
DATA: Final = '"data":{"invoice":42}'


def said(text: str | bytes) -> str:
    """Sign any text as the claims set."""
    return signed(HEADER, text.encode() if isinstance(text, str) else text, KEY)


def with_data(text: str) -> str:
    assert DATA in TEXT
    return said(TEXT.replace(DATA, f'"data":{text}'))


def exp_written(text: str) -> str:
    return said(TEXT.replace(f'"exp":{NOW + 60}', f'"exp":{text}'))


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


JSON: Final = {
    "r70-utf16": TEXT.encode("utf-16"),
    "r70-utf16-little-endian": TEXT.encode("utf-16-le"),
    "r70-utf32": TEXT.encode("utf-32"),
    "r70-latin-1": TEXT.replace("invoice.paid", "é").encode("latin-1"),
    "r70-truncated-utf8": TEXT.replace('"invoice":42', '"invoice":"é"').encode().replace(b"\xa9", b""),
    "r70-array": f"[{TEXT}]",
    "r70-string": '"msg"',
    "r70-number": "42",
    "r70-null": "null",
    "r70-true": "true",
    "r70-empty-array": "[]",
    "r70-truncated": TEXT[:-1],
    "r10-trailing-brace": TEXT + "}",
    "r10-trailing-comma-and-object": TEXT + ",{}",
    "r10-trailing-nul": TEXT + "\0",
    "r11-nan-in-data": TEXT.replace(DATA, '"data":NaN'),
    "r11-infinity-in-data": TEXT.replace(DATA, '"data":[Infinity]'),
    "r11-minus-infinity-in-data": TEXT.replace(DATA, '"data":-Infinity'),
    "r11-nan-as-exp": TEXT.replace(f'"exp":{NOW + 60}', '"exp":NaN'),
    "r11-infinity-as-exp": TEXT.replace(f'"exp":{NOW + 60}', '"exp":Infinity'),
    "r11-single-quotes": TEXT.replace('"', "'"),
    "r11-comment": TEXT[:-1] + "/**/}",
    "r11-trailing-comma": TEXT[:-1] + ",}",
    "r11-leading-zero": TEXT.replace(DATA, '"data":042'),
    "r11-plus-sign": TEXT.replace(DATA, '"data":+42'),
    "r11-hexadecimal": TEXT.replace(DATA, '"data":0x2A'),
    "r11-no-digit-before-the-point": TEXT.replace(DATA, '"data":.5'),
    "r11-no-digit-behind-the-point": TEXT.replace(DATA, '"data":5.'),
    "r11-capital-true": TEXT.replace(DATA, '"data":True'),
    "r11-raw-control-in-a-string": TEXT.replace(DATA, '"data":"\x01"'),
    "r11-unknown-escape": TEXT.replace(DATA, '"data":"\\q"'),
    "r71-duplicate-iss": TEXT[:-1] + f',"iss":"{ISSUER}"}}',
    "r71-duplicate-iss-first-another": f'{{"iss":"{ISSUER}",' + TEXT[1:],
    "r71-duplicate-exp": TEXT[:-1] + f',"exp":{NOW + 60}}}',
    "r71-duplicate-aud": '{"aud":"https://evil.example",' + TEXT[1:],
    "r71-duplicate-jti": TEXT[:-1] + ',"jti":"AAAAAAAAAAAAAAAAAAAAAA"}',
    "r71-duplicate-msg": TEXT[:-1] + ',"msg":{}}',
    "r71-duplicate-in-msg": TEXT.replace(DATA, DATA + "," + DATA),
    "r71-duplicate-deep-in-data": TEXT.replace(DATA, '"data":[{"a":{"b":1,"b":2}}]'),
    "r71-duplicate-through-an-escape": TEXT[:-1] + f',"\\u0065xp":{NOW + 60}}}',
    "r71-duplicate-of-an-unknown-claim": TEXT[:-1] + ',"x":1,"x":1}',
    "r14-byte-order-mark": "\ufeff" + TEXT,
    "r15-nested-33-deep": TEXT.replace(DATA, f'"data":{nested(31)}'),
    "r15-nested-beyond-the-parser": TEXT.replace(DATA, f'"data":{nested(20_000)}'),
    "r15-unbalanced-beyond-the-parser": TEXT.replace(DATA, '"data":' + "[" * 20_000),
    "r15-integer-of-5000-digits": TEXT.replace(DATA, f'"data":{"9" * 5000}'),
    "r15-number-of-infinite-size": TEXT.replace(DATA, '"data":1e400'),
    "r15-minus-number-of-infinite-size": TEXT.replace(DATA, '"data":-1e999999'),
    "r70-lone-surrogate-in-a-value": TEXT.replace(DATA, '"data":"\\ud800"'),
    "r70-lone-surrogate-in-a-name": TEXT.replace(DATA, '"data":{"\\udfff":1}'),
    "r70-surrogates-in-the-wrong-order": TEXT.replace(DATA, '"data":"\\udc00\\ud800"'),
}
NOT_TEXT: Final[dict[str, object]] = {
    "missing": GONE,
    "null": None,
    "number": 42,
    "true": True,
    "array": ["x"],
    "object": {"x": 1},
    "empty": "",
}
BAD_TEXT: Final = {
    "iss": {
        "with-space": ISSUER + " x",
        "with-nul": ISSUER + "\0",
        "with-newline": ISSUER + "\n",
        "outside-ascii": "https://bílling.example",
        "of-257-characters": "i" * 257,
    },
    "aud": {
        "with-space": AUDIENCE + " ",
        "with-newline": "\n" + AUDIENCE,
        "outside-ascii": "https://shöp.example/inbox",
        "of-1025-characters": "a" * 1025,
    },
    "jti": {
        "of-15-characters": "j" * 15,
        "of-129-characters": "j" * 129,
        "with-space": "j" * 16 + " ",
        "with-nul": "j" * 16 + "\0",
        "with-newline": "j" * 16 + "\n",
        "with-slash": "j" * 16 + "/",
        "outside-ascii": "é" * 16,
        "of-foreign-digits": "٣" * 16,
    },
}
NOT_A_DATE: Final[dict[str, object]] = {
    "null": None,
    "string": str(NOW),
    "true": True,
    "array": [NOW],
    "object": {"value": NOW},
    "zero": 0,
    "negative": -NOW,
    "two-to-the-53": 2**53,
    "twenty-digits": 10**20,
}
BAD_AUDIENCES: Final = {
    "r74-aud-of-another-receiver": "https://evil.example/inbox",
    "r74-aud-of-another-route": "https://shop.example/outbox",
    "r74-aud-of-the-whole-host": "https://shop.example",
    "r74-aud-is-the-issuer": ISSUER,
    "r76-aud-in-another-case": "https://Shop.example/inbox",
    "r76-aud-path-in-another-case": "https://shop.example/Inbox",
    "r76-aud-with-trailing-slash": AUDIENCE + "/",
    "r76-aud-with-default-port": "https://shop.example:443/inbox",
    "r76-aud-over-http": "http://shop.example/inbox",
    "r76-aud-with-query": AUDIENCE + "?a=1",
    "r76-aud-with-fragment": AUDIENCE + "#a",
    "r76-aud-with-a-percent-escape": "https://shop.example/%69nbox",
    "r76-aud-with-a-dot-segment": "https://shop.example/./inbox",
    "r76-aud-begins-alike": AUDIENCE + "2",
    "r76-aud-ends-alike": AUDIENCE[1:],
    "r76-aud-with-a-user-name": "https://x@shop.example/inbox",
}
FORBIDDEN: Final[dict[str, object]] = {
    "sub": "alice",
    "sub-null": None,
    "events": {"https://schemas.example/x": {}},
    "events-empty": {},
    "scope": "read",
    "client_id": "app",
}


ROWS: Final = (
    *(Row(f"{id}-claims", "malformed", said(text)) for id, text in JSON.items()),
    Row("r70-empty-object", "claim", said("{}")),
    *(
        Row(f"{row}-{name}-{how}", "claim", envelope({name: value}))
        for row, name in (("r73", "iss"), ("r74", "aud"), ("r84", "jti"))
        for how, value in NOT_TEXT.items()
    ),
    *(
        Row(f"r90-{name}-{how}", "claim", envelope({name: value}))
        for name, values in BAD_TEXT.items()
        for how, value in values.items()
    ),
    *(
        Row(f"{row}-{name}-{how}", "claim", envelope({name: value}))
        for row, name in (("r78", "exp"), ("r81", "iat"), ("r80", "nbf"))
        for how, value in NOT_A_DATE.items()
    ),
    Row("r78-exp-missing", "claim", envelope({"exp": GONE})),
    Row("r81-iat-missing", "claim", envelope({"iat": GONE})),
    Row("r79-exp-with-a-fraction", "claim", exp_written(f"{NOW + 60}.0")),
    Row("r79-exp-with-half-a-second", "claim", exp_written(f"{NOW + 60}.5")),
    Row("r79-exp-with-an-exponent", "claim", exp_written("1.80000006e9")),
    Row("r79-exp-as-an-integer-with-an-exponent", "claim", exp_written("180000006e1")),
    Row("r79-exp-minus-zero", "claim", exp_written("-0")),
    Row("r75-aud-array-of-one", "claim", envelope({"aud": [AUDIENCE]})),
    Row("r75-aud-array-of-two", "claim", envelope({"aud": [AUDIENCE, "https://evil.example"]})),
    Row("r75-aud-empty-array", "claim", envelope({"aud": []})),
    *(Row(id, "audience", envelope({"aud": aud})) for id, aud in BAD_AUDIENCES.items()),
    Row("r73-iss-in-another-case", "unknown_issuer", envelope({"iss": ISSUER.replace("b", "B", 1)})),
    Row("r73-iss-with-trailing-slash", "unknown_issuer", envelope({"iss": ISSUER + "/"})),
    Row("r73-iss-with-default-port", "unknown_issuer", envelope({"iss": ISSUER + ":443"})),
    Row("r73-iss-written-with-a-percent-escape", "unknown_issuer", envelope({"iss": ISSUER.replace("b", "%62", 1)})),
    Row("r73-iss-of-256-characters", "unknown_issuer", envelope({"iss": "i" * 256})),
    *(Row(f"r89-{name}", "claim", envelope({name.partition("-")[0]: value})) for name, value in FORBIDDEN.items()),
    Row(
        "r46-expired-and-forged-is-only-forged",
        "invalid_signature",
        signed(HEADER, payload_of({"exp": NOW - 3600, "iat": NOW - 3660}), key("ES256", 2)),
    ),
    Row(
        "r46-misdirected-and-forged-is-only-forged",
        "invalid_signature",
        signed(HEADER, payload_of({"aud": "https://evil.example"}), key("ES256", 2)),
    ),
)
LAST: Final = dump({"aud": AUDIENCE, "iat": NOW, "exp": NOW + 60, "jti": JTI}).decode()[:-1]
ACCEPTED: Final = (
    Row("r72-unknown-claims-are-ignored", "", envelope({"colour": "blue", "nonce": [1]})),
    Row("r72-claim-that-only-looks-forbidden", "", envelope({"Sub": "alice", "subject": "alice"})),
    Row("r84-jti-of-16-characters", "", envelope({"jti": "a.~:+=@_-Z012345"})),
    Row("r84-jti-of-128-characters", "", envelope({"jti": "j" * 128})),
    Row("r15-nested-32-deep", "", with_data(nested(30))),
    Row("r73-iss-not-first", "", said(LAST + f',"iss":"{ISSUER}",' + TEXT[TEXT.index('"msg"') :])),
    Row(
        "r73-iss-written-with-escapes",
        "",
        said(TEXT.replace(ISSUER, ISSUER.replace("b", "\\u0062", 1).replace("/", "\\/"))),
    ),
    Row("r70-white-space-around-everything", "", said(" " + TEXT.replace(",", " ,\r\n\t") + "\n")),
    Row(
        "r85-one-jti-two-issuers",
        "",
        envelope({"iss": OTHER_ISSUER}),
        Setup((*trusting(KEY).issuers, *trusting(KEY, id=OTHER_ISSUER).issuers), before=(envelope(),)),
    ),
)
