"""Wrong about the request itself, or about the credential that it carries."""

from __future__ import annotations

from typing import Final

from signedmsg import DecodedTarget

from .calls import CallRow
from .requests import JSON, ORIGIN, PATH, Arrival, bare, bound, got, posted, to
from .table import Setup
from .tokens import envelope

TOKEN: Final = bound()
BASIC: Final = "Basic dXNlcjpwYXNz"
MIXED: Final = Setup(audience=ORIGIN, options={"scheme": "SignedMsg"})

MANY: Final = tuple((f"X-{number}", "x") for number in range(990))


def carrying(*values: object, name: object = "Authorization") -> Arrival:
    """Return the request with these values of the field that carries the credential."""
    return Arrival(headers=[("Content-Type", JSON), *((name, value) for value in values)])


MISSING: Final = {
    "c1-no-headers": Arrival(headers=[]),
    "c1-empty-mapping": Arrival(headers={}),
    "c1-other-scheme": carrying(BASIC),
    "c1-token-without-a-scheme": carrying(TOKEN),
    "c1-scheme-with-one-letter-more": carrying(f"Bearers {TOKEN}"),
    "c1-token-in-the-query-alone": to(PATH, f"{PATH}?access_token={bare()}", headers=[]),
    "c1-token-in-another-field": carrying(f"Bearer {TOKEN}", name="X-Authorization"),
    "c1-token-in-proxy-authorization": carrying(f"Bearer {TOKEN}", name="Proxy-Authorization"),
    "c1-token-in-a-cookie": carrying(f"Bearer {TOKEN}", name="Cookie"),
    "c1-other-scheme-with-parameters": carrying('Digest username="u", response="x"'),
}
MALFORMED: Final = {
    "c2-field-is-empty": carrying(""),
    "c2-field-is-blank": carrying(" \t "),
    "c2-scheme-alone": carrying("Bearer"),
    "c2-scheme-and-a-space": carrying("Bearer "),
    "c2-tab-between": carrying(f"Bearer\t{TOKEN}"),
    "c2-colon-between": carrying(f"Bearer: {TOKEN}"),
    "c2-quoted": carrying(f'Bearer "{TOKEN}"'),
    "c2-parameter": carrying(f"Bearer token={TOKEN}"),
    "c2-parameter-behind": carrying(f"Bearer {TOKEN}, realm=x"),
    "c2-space-inside": carrying(f"Bearer {TOKEN[:20]} {TOKEN[20:]}"),
    "c2-line-break-behind": carrying(f"Bearer {TOKEN}\n"),
    "c2-line-break-inside": carrying(f"Bearer {TOKEN[:20]}\r\n {TOKEN[20:]}"),
    "c2-nul-behind": carrying(f"Bearer {TOKEN}\x00"),
    "c2-not-ascii": carrying(f"Bearer {TOKEN}é"),
    "c2-padded": carrying(f"Bearer {TOKEN}="),
    "c2-no-token": carrying("Bearer abc"),
    "c2-two-segments": carrying("Bearer a.b"),
    "c2-more-fields-than-any-request-has": Arrival(
        headers=[("Content-Type", JSON), ("Authorization", f"Bearer {TOKEN}"), *((f"X-{n}", "x") for n in range(999))]
    ),
    "c2-more-fields-in-a-mapping": Arrival(
        headers={"Content-Type": JSON, "Authorization": f"Bearer {TOKEN}"} | {f"x-{n}": "x" for n in range(999)}
    ),
    "c3-two-fields": carrying(f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
    "c3-two-fields-one-of-another-scheme": carrying(BASIC, f"Bearer {TOKEN}"),
    "c3-two-fields-one-empty": carrying(f"Bearer {TOKEN}", ""),
    "c3-two-fields-in-two-cases": Arrival(
        headers=[("authorization", f"Bearer {TOKEN}"), ("AUTHORIZATION", f"Bearer {TOKEN}")]
    ),
    "c3-two-fields-as-str-and-bytes": Arrival(
        headers=[("authorization", f"Bearer {TOKEN}"), (b"authorization", f"Bearer {TOKEN}".encode())]
    ),
    "c3-two-joined": carrying(f"Bearer {TOKEN}, Bearer {TOKEN}"),
    "c3-two-joined-without-a-space": carrying(f"Bearer {TOKEN},Bearer {TOKEN}"),
    "c3-access-token-in-the-query": got({}, {"@query": "?access_token=x"}, target=f"{PATH}?access_token=x"),
    "c3-access-token-without-value": got({}, {"@query": "?access_token"}, target=f"{PATH}?access_token"),
    "c3-access-token-behind-another": got({}, {"@query": "?a=1&access_token=x"}, target=f"{PATH}?a=1&access_token=x"),
    "c3-access-token-escaped": got({}, {"@query": "?%61ccess%5Ftoken=x"}, target=f"{PATH}?%61ccess%5Ftoken=x"),
    "c3-access-token-behind-a-semicolon": got({}, {"@query": "?a;access_token=x"}, target=f"{PATH}?a;access_token=x"),
    "c3-access-token-of-a-decoded-target": got(
        {}, {"@query": "?access_token=x"}, target=DecodedTarget(PATH.encode(), b"access_token=x")
    ),
    "c4-method-empty": posted(method=""),
    "c4-method-with-a-space": posted(method="POST "),
    "c4-method-with-a-line-break": posted(method="POST\n"),
    "c4-method-not-ascii": posted(method="PÖST"),
    "c4-method-too-long": posted(method="P" * 33),
    "c4-method-bytes": posted(method=b"POST"),
    "c4-method-none": posted(method=None),
    "c5-headers-none": Arrival(headers=7),
    "c5-headers-text": Arrival(headers="Authorization: Bearer"),
    "c5-headers-names-only": Arrival(headers=["authorization"]),
    "c5-headers-with-a-name-of-two-letters-only": Arrival(
        headers=[("authorization", f"Bearer {TOKEN}"), ("content-type", JSON), "te"]
    ),
    "c5-headers-triples": Arrival(headers=[("authorization", "Bearer", TOKEN)]),
    "c5-header-name-number": Arrival(headers=[(1, "x")]),
    "c5-header-value-none": Arrival(headers=[("authorization", None)]),
    "c5-header-value-list": Arrival(headers={"authorization": [f"Bearer {TOKEN}"]}),
    "c6-body-text": posted(body="{}"),
    "c6-body-none": posted(body=None),
    "c6-body-bytearray": posted(body=bytearray(b"{}")),
}
ROWS: Final = (
    *(CallRow(id, "credentials_missing", arrival) for id, arrival in MISSING.items()),
    *(CallRow(id, "malformed", arrival) for id, arrival in MALFORMED.items()),
    CallRow("c1-bearer-where-another-scheme-is-configured", "credentials_missing", posted(), setup=MIXED),
    CallRow("c7-token-of-more-than-8-kib", "too_large", posted({"x": "x" * 6000})),
    CallRow("c7-field-of-a-mebibyte", "too_large", carrying("Bearer " + "A" * 2**20)),
    CallRow("c7-field-of-a-mebibyte-of-another-scheme", "too_large", carrying("Basic " + "A" * 2**20)),
    CallRow("c7-envelope-as-credential", "unsupported", carrying(f"Bearer {envelope({'aud': ORIGIN})}")),
)
ACCEPTED: Final = (
    CallRow("c1-as-it-is", "", posted()),
    CallRow("c1-get-without-a-body", "", got()),
    CallRow(
        "c2-as-many-fields-as-are-read",
        "",
        posted(fields=(("Content-Type", JSON), *MANY)),
    ),
    CallRow("c2-scheme-in-small-letters", "", carrying(f"bearer {TOKEN}")),
    CallRow("c2-scheme-in-capitals", "", carrying(f"BEARER {TOKEN}")),
    CallRow("c2-several-spaces", "", carrying(f"Bearer   {TOKEN}")),
    CallRow("c2-white-space-around", "", carrying(f" \tBearer {TOKEN}\t ")),
    CallRow("c2-field-name-in-capitals", "", carrying(f"Bearer {TOKEN}", name="AUTHORIZATION")),
    CallRow("c2-configured-scheme", "", carrying(f"signedmsg {TOKEN}"), setup=MIXED),
    CallRow("c3-parameter-that-only-resembles", "", to(PATH, f"{PATH}?x_access_token=1", "?x_access_token=1")),
    CallRow("c3-value-access-token", "", to(PATH, f"{PATH}?a=access_token", "?a=access_token")),
    CallRow("c4-method-of-another-extension", "", got({"htm": "PROPFIND"}, method="PROPFIND")),
    CallRow("c4-method-in-small-letters", "", got({"htm": "get"}, method="get")),
    CallRow("c5-headers-as-a-mapping", "", Arrival(headers={"AUTHORIZATION": f"Bearer {TOKEN}", "content-type": JSON})),
    CallRow(
        "c5-headers-as-bytes",
        "",
        Arrival(headers=[(b"Authorization", f"Bearer {TOKEN}".encode()), (b"content-type", JSON.encode())]),
    ),
    CallRow(
        "c5-headers-as-a-tuple-of-tuples-and-lists",
        "",
        posted(headers=(("Authorization", f"Bearer {TOKEN}"), ["Content-Type", JSON])),
    ),
    CallRow("c7-token-just-below-8-kib", "", posted({"x": "x" * 5500})),
)
