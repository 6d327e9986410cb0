"""What a token costs that is refused before its signature is looked at: the group `refuse`.

A sender of such tokens needs no key, so they must be cheap. Beside them stands the bare check of
a signature, and a token whose signature alone is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from signedmsg import VerificationError
from tests.bench import floors, ours, payloads
from tests.bench.measure import Candidate, Figure, Method, measure
from tests.bench.peers.rules import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

CASE: Final = "refuse"
EARLY: Final = ("unknown issuer", "unknown kid", "unknown alg", "alg not of the key")
SIZES: Final = ("200 B", "64 KB")
OVERSIZE: Final = {"oversize, 300 KB": 300_000, "oversize, 3 MB": 3_000_000}
ISSUER_LAST: Final = "unknown issuer, named last"
FORGED: Final = "wrong signature"


def figures_of(method: Method) -> dict[str, Figure]:
    return measure(candidates(), method)


def name_of(kind: str, size: str) -> str:
    return f"{kind}, {size}"


def candidates() -> list[Candidate]:
    keys, strange = Keys("ES256"), Keys("ES256")
    sign = ours.signer(keys)
    bare = floors.take(sign(payloads.order(200)), keys.alg)
    check = floors.verifying(keys, None)[floors.RAW]
    found = [Candidate(floors.RAW, check, lambda count: [bare] * count)]
    # The default cap on size: it is part of what is measured.
    verify = ours.receiver(keys, max_size=256 * 1024, observe=_unheard).verify
    for size in SIZES:
        token = sign(payloads.order(payloads.SIZES[size]))
        for kind, refused in tokens(token, keys, strange).items():
            found.append(_refusing(name_of(kind, size), verify, refused))
    for name, length in OVERSIZE.items():
        found.append(_refusing(name, verify, sign(payloads.order(length))))
    return found


def tokens(token: str, keys: Keys, strange: Keys) -> dict[str, str]:
    """Return what becomes of a genuine token in somebody else's hands, by what is wrong with it."""
    header, claims, signature = token.split(".")
    head, body = json.loads(floors.unpadded(header)), json.loads(floors.unpadded(claims))
    strangers = {**body, "iss": "https://stranger.example"}
    last = {name: value for name, value in strangers.items() if name != "iss"} | {"iss": strangers["iss"]}
    wrong = f"{header}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    return {
        "unknown issuer": ours.resigned(strange, header, _compact(strangers)),
        "unknown kid": f"{_head(head, kid=strange.kid)}.{claims}.{signature}",
        "unknown alg": f"{_head(head, alg='HS256')}.{claims}.{signature}",
        "alg not of the key": f"{_head(head, alg='Ed25519')}.{claims}.{signature}",
        ISSUER_LAST: ours.resigned(strange, header, _compact(last)),
        FORGED: wrong,
    }


def _head(header: dict[str, str], **changed: str) -> str:
    return ours.segment(_compact({**header, **changed}))


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _unheard(_: object) -> None:
    """Take the events: where refusals go is the application's affair."""


def _refusing(name: str, verify: Callable[[Any], object], token: str) -> Candidate:
    def refuse(token: str) -> None:
        try:
            verify(token)
        except VerificationError:
            return
        raise AssertionError(f"accepted: {name}")

    return Candidate(name, refuse, lambda count: [token] * count)
