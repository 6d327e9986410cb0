"""Wrong in shape: segments, characters, base64url, sizes, and what is no text at all."""

from __future__ import annotations

import json
from typing import Final

from .table import Row, Setup
from .tokens import b64, dump, envelope, header_of, key, payload_of, signed

KEY: Final = key("ES256")
GOOD: Final = envelope()
HEAD, PAYLOAD, SIGNATURE = GOOD.split(".")
ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def sealed(head: str, payload: str) -> str:
    """Sign two segments just as they are written."""
    return f"{head}.{payload}.{b64(KEY.sign(f'{head}.{payload}'.encode()))}"


def stray(segment: str) -> str:
    """Spell the same octets with a bit set that carries nothing (RFC 4648 §3.5)."""
    assert len(segment) % 4
    return segment[:-1] + ALPHABET[ALPHABET.index(segment[-1]) + 1]


def padded_to(rest: int, make: bytes) -> str:
    """Return JSON with so much white space behind that its last base64url group has `rest` characters."""
    while len(b64(make)) % 4 != rest:
        make += b" "
    return b64(make)


HEAD_2, HEAD_3 = padded_to(2, header_of(KEY)), padded_to(3, header_of(KEY))
PAYLOAD_2, PAYLOAD_3 = padded_to(2, payload_of()), padded_to(3, payload_of())
WIDE: Final = b64(b'{"~":"\xc3\xbf\xc3\xbf\xc3\xbe~~~???"}')
HIGH_HEAD: Final = b64(dump({"alg": "ES256", "kid": KEY.kid, "typ": "?>?>~~"}))
GENERAL: Final = {"payload": PAYLOAD, "signatures": [{"protected": HEAD, "signature": SIGNATURE}]}
FLATTENED: Final = {"payload": PAYLOAD, "protected": HEAD, "signature": SIGNATURE}
JWE: Final = f"{b64(dump({'alg': 'ECDH-ES', 'enc': 'A256GCM'}))}..AAAA.AAAA.AAAA"

SHAPE: Final[dict[str, object]] = {
    "r1-empty-text": "",
    "r1-only-dots": "..",
    "r1-one-segment": HEAD,
    "r1-two-segments": f"{HEAD}.{PAYLOAD}",
    "r1-four-segments": f"{GOOD}.{SIGNATURE}",
    "r1-six-segments": f"{GOOD}.{GOOD}",
    "r1-leading-dot": f".{GOOD}",
    "r1-trailing-dot": f"{GOOD}.",
    "r2-trailing-newline": f"{GOOD}\n",
    "r2-trailing-crlf": f"{GOOD}\r\n",
    "r2-leading-newline": f"\n{GOOD}",
    "r2-leading-space": f" {GOOD}",
    "r2-trailing-space": f"{GOOD} ",
    "r2-tab-inside": f"{HEAD}\t.{PAYLOAD}.{SIGNATURE}",
    "r2-nul-at-the-end": f"{GOOD}\0",
    "r2-quoted": f'"{GOOD}"',
    "r2-braced": f"{{{GOOD}}}",
    "r2-bearer-prefix": f"Bearer {GOOD}",
    "r2-byte-order-mark-in-text": f"\ufeff{GOOD}",
    "r2-byte-order-mark-in-bytes": b"\xef\xbb\xbf" + GOOD.encode(),
    "r2-letter-outside-ascii": f"{HEAD}.{PAYLOAD}é.{SIGNATURE}",
    "r2-fullwidth-dot": GOOD.replace(".", "\uff0e"),
    "r2-arabic-digit": f"{HEAD}.{PAYLOAD[:-1]}٣.{SIGNATURE}",
    "r2-lone-surrogate": f"{HEAD}.{PAYLOAD}\udc80.{SIGNATURE}",
    "r2-utf16-bytes": GOOD.encode("utf-16"),
    "r2-high-byte": GOOD.encode() + b"\xff",
    "r3-padding-in-header": sealed(HEAD_2 + "==", PAYLOAD),
    "r3-padding-in-payload": sealed(HEAD, PAYLOAD_2 + "=="),
    "r3-padding-in-signature": f"{GOOD}==",
    "r3-one-pad-character": sealed(HEAD, PAYLOAD_3 + "="),
    "r3-plus-of-standard-base64": f"{HEAD}.{PAYLOAD}.{'+' + SIGNATURE[1:]}",
    "r3-slash-of-standard-base64": f"{HEAD}.{PAYLOAD}.{'/' + SIGNATURE[1:]}",
    "r3-standard-base64-in-header": sealed(HIGH_HEAD.replace("-", "+").replace("_", "/"), PAYLOAD),
    "r3-standard-base64-in-payload": sealed(HEAD, WIDE.replace("-", "+").replace("_", "/")),
    "r3-line-break-in-header": sealed(f"{HEAD[:8]}\n{HEAD[8:]}", PAYLOAD),
    "r3-line-break-in-payload": sealed(HEAD, f"{PAYLOAD[:64]}\r\n{PAYLOAD[64:]}"),
    "r3-space-in-signature": f"{HEAD}.{PAYLOAD}.{SIGNATURE[:8]} {SIGNATURE[8:]}",
    "r3-tilde-in-signature": f"{HEAD}.{PAYLOAD}.~{SIGNATURE[1:]}",
    "r3-percent-escape": GOOD.replace("A", "%41", 1),
    "r4-stray-bits-in-header-of-rest-2": sealed(stray(HEAD_2), PAYLOAD),
    "r4-stray-bits-in-header-of-rest-3": sealed(stray(HEAD_3), PAYLOAD),
    "r4-stray-bits-in-payload-of-rest-2": sealed(HEAD, stray(PAYLOAD_2)),
    "r4-stray-bits-in-payload-of-rest-3": sealed(HEAD, stray(PAYLOAD_3)),
    "r4-stray-bits-in-signature": f"{HEAD}.{PAYLOAD}.{stray(SIGNATURE)}",
    "r4-header-of-impossible-length": sealed(padded_to(0, header_of(KEY)) + "A", PAYLOAD),
    "r4-payload-of-impossible-length": sealed(HEAD, padded_to(0, payload_of()) + "A"),
    "r4-signature-of-impossible-length": f"{GOOD}AAA",
    "r5-empty-header": sealed("", PAYLOAD),
    "r5-empty-payload": sealed(HEAD, ""),
    "r5-empty-signature": f"{HEAD}.{PAYLOAD}.",
    "r6-general-json-serialisation": json.dumps(GENERAL),
    "r6-flattened-json-serialisation": json.dumps(FLATTENED),
    "r6-json-serialisation-with-three-parts": '{"a":1.5,"b":2.5}',
    "r7-encrypted-token-with-a-dot-too-few": JWE.rpartition(".")[0],
    "type-none": None,
    "type-int": 42,
    "type-bytearray": bytearray(GOOD.encode()),
    "type-memoryview": memoryview(GOOD.encode()),
    "type-list-of-segments": GOOD.split("."),
    "type-dict": FLATTENED,
    "type-class": str,
}
UNSUPPORTED: Final = {
    "r7-encrypted-token": JWE,
    "r7-five-segments": f"{GOOD}.{PAYLOAD}.{SIGNATURE}",
    "r7-five-empty-segments": "....",
    "r1-two-tokens-with-a-space": f"{GOOD} {GOOD}",
    "r1-two-tokens-with-a-comma": f"{GOOD},{GOOD}",
}


def head_of(size: int) -> bytes:
    """Return a good header of that many octets, by white space."""
    return header_of(KEY)[:-1].ljust(size - 1) + b"}"


LONG: Final = envelope({"https://a.example/x": "x" * 3000})
SIZES: Final = {
    "r15-one-character-above-the-cap": Row("", "too_large", LONG, Setup(options={"max_size": len(LONG) - 1})),
    "r15-above-the-default-cap": Row("", "too_large", "A" * (256 * 1024 + 1)),
    "r15-bytes-above-the-cap": Row("", "too_large", b"." * 5000, Setup(options={"max_size": 4096})),
    "r15-header-above-1-kib": Row("", "too_large", signed(head_of(1025), payload_of(), KEY)),
    "r15-huge-header": Row("", "too_large", signed(head_of(50_000), payload_of(), KEY)),
}

ROWS: Final = (
    *(Row(id, "malformed", token) for id, token in SHAPE.items()),
    *(Row(id, "unsupported", token) for id, token in UNSUPPORTED.items()),
    *(row._replace(id=id) for id, row in SIZES.items()),
)
ACCEPTED: Final = (
    Row("baseline", "", GOOD),
    Row("baseline-as-bytes", "", GOOD.encode()),
    Row("r4-white-space-behind-header-and-payload", "", sealed(HEAD_2, PAYLOAD_3)),
    Row("r15-exactly-at-the-cap", "", LONG, Setup(options={"max_size": len(LONG)})),
    Row("r15-header-of-exactly-1-kib", "", signed(head_of(1024), payload_of(), KEY)),
    Row(
        "r76-audience-in-another-normal-form-of-the-configuration",
        "",
        GOOD,
        Setup(audience="HTTPS://Shop.EXAMPLE:443/inbox"),
    ),
)
