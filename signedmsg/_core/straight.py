"""The straight path: prove in one go what our own senders write, under a header that has verified before.

It only ever accepts. Whatever it cannot prove it leaves to the steps of `verify.py`, which give
the verdict; of what it accepts they would say the same. It saves the work that proves nothing new:

- the header, where a signature of this issuer has verified under this very text of it;
- the claims set, where it stands as `compose.py` writes it: then one pattern proves its form.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from signedmsg._core import claims as rules
from signedmsg._core.message import Authentic, Content
from signedmsg._core.payload import MAX_DATA_DEPTH
from signedmsg._core.policy import ENVELOPE_TYP
from signedmsg._core.proof import Tried, keep_for, replay_keys
from signedmsg._core.verify import signed_by
from signedmsg._jose import base64url, jws, strict_json
from signedmsg._jose.algorithms import REFUSALS
from signedmsg._jose.base64url import decode_unpadded
from signedmsg._jose.strict_json import loads_compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from signedmsg._core.message import Parsed
    from signedmsg._core.policy import ReceivePolicy, Trust
    from signedmsg._jose.algorithms import Check
    from signedmsg._jose.jwk import PublicKey
    from signedmsg._jose.strict_json import JSONValue

_MAX_HEADERS: Final = 16_384
# Issuers that chose the same kid share the text of a header; beyond so many they take the steps.
_MAX_NAMESAKES: Final = 8
_FOR_PROOF: Final = 8
_TEXTS: Final = (str, bytes)
_NO_CLAIMS: Final[dict[str, JSONValue]] = {}

# How many octets of a claims set, all of them ASCII, can stand before `data`.
_MAX_HEAD: Final = 4096
# Each allows a part of what `claims.py` does: nothing that JSON would escape.
_DATE: Final = r"([1-9][0-9]{0,15})"
_LABEL: Final = r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,256})"'
_ID: Final = r'"([\x21\x23-\x5b\x5d-\x7e]{1,128})"'
_JTI: Final = r'"([A-Za-z0-9._~:+=@-]{16,128})"'
_TIME: Final = r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"'
_BEHIND_AUDIENCE: Final = (
    rf',"iat":{_DATE},"exp":{_DATE},"jti":{_JTI},"msg":{{"v":1,"id":{_ID},"type":{_LABEL},"time":{_TIME}'
    rf',"until":{_DATE}(?:,"subject":{_LABEL})?(?:,"account":{_LABEL})?,"data":'
)


class Proven(NamedTuple):
    """A token that the straight path accepted, what its issuer may do, and when that was."""

    authentic: Authentic
    trust: Trust
    now: float


class _Header(NamedTuple):
    """A header under which a signature verified, and whose key that was.

    Attributes:
        start: how every token under it begins that this issuer wrote as we do.
        opening: how the claims set of such a token begins.
    """

    start: str
    opening: bytes
    issuer: str
    kid: str
    key: PublicKey
    check: Check
    not_before: float
    expires: float
    trust: Trust
    replay_key: Callable[[bytes], bytes]


class Straight:
    """The headers that have verified at one receiver of envelopes, and the pattern of claims sets for it.

    Args:
        policy: what the receiver checks.
        clock: the time in Unix seconds; what is no time proves nothing.
        at_hand: (issuer, kid) -> a key that may be used and for which nothing is to be read; else None.
    """

    __slots__ = (
        "_at_hand",
        "_audience",
        "_claims",
        "_clock",
        "_headers",
        "_leeway",
        "_margin",
        "_max_lifetime",
        "_max_size",
    )

    def __init__(
        self, policy: ReceivePolicy, *, clock: Callable[[], float], at_hand: Callable[[str, str], PublicKey | None]
    ) -> None:
        self._audience = policy.audience
        self._leeway = policy.leeway
        self._max_lifetime = policy.max_lifetime
        self._max_size = policy.max_size
        self._clock = clock
        self._at_hand = at_hand
        self._margin = keep_for(0, 0, policy.leeway)
        self._headers: dict[str, tuple[_Header, ...]] = {}
        self._claims = re.compile(re.escape(strict_json.dumps(policy.audience).decode()) + _BEHIND_AUDIENCE)

    def prove(self, token: object) -> Proven | Tried | None:  # noqa: PLR0911 - so many reasons to leave it
        """Return what the token proves by steps 1 to 11; or what was found out of its signature alone; or None.

        Nothing but `iss` is read before the signature holds, and of a token under an unknown header
        or of another issuer nothing is decoded.
        """
        # 1.
        if not isinstance(token, _TEXTS) or len(token) > self._max_size or not token.isascii():
            return None
        text = token if isinstance(token, str) else token.decode("ascii")
        # 2 to 4.
        first, second = text.find("."), text.rfind(".")
        for header in self._headers.get(text[:first], ()):
            start, opening, issuer, kid, verified, check, not_before, expires = header[:_FOR_PROOF]
            if text.startswith(start):
                break
        else:
            return None
        # 5 to 7. The header was compared with this key when it verified; the key must still be the issuer's.
        try:
            # Only of a number comes a number, as `read_clock` would have it.
            now, key = self._clock() + 0.0, self._at_hand(issuer, kid)
            if key is not verified or not not_before <= now < expires:
                return None
        except (TypeError, OverflowError):
            return None
        if "=" in text or "+" in text or "/" in text:
            return None
        signing_input = text[:second].encode("ascii")
        try:
            payload, signature = decode_unpadded(text[first + 1 : second]), decode_unpadded(text[second + 1 :])
        except ValueError:
            return None
        if not payload.startswith(opening):
            return None
        # 8.
        try:
            check(signature, signing_input)
        except REFUSALS:
            return Tried(verified, holds=False)
        return self._read(payload, signing_input, header, now) or Tried(verified, holds=True)

    def _read(self, payload: bytes, signing_input: bytes, header: _Header, now: float) -> Proven | None:
        # 9, 11. As Latin-1 each octet is a character, and what is matched is ASCII.
        found = self._claims.match(payload[:_MAX_HEAD].decode("latin-1"), len(header.opening))
        if found is None or not payload.endswith(b"}}"):
            return None
        iat, exp, jti, id, type, made, until, subject, account = found.groups()
        issued_at, expires_at, deadline = int(iat), int(exp), int(until)
        # 10.
        lifetime, leeway = expires_at - issued_at, self._leeway
        if not (0 < lifetime <= self._max_lifetime and now < expires_at + leeway and issued_at <= now + leeway):
            return None
        if deadline >= rules.MAX_NUMERIC_DATE:
            return None
        written = payload[found.end() : -2]
        try:
            data, time = loads_compact(written, MAX_DATA_DEPTH), datetime.fromisoformat(made)
        except ValueError:
            return None
        content = Content(id, type, time, 1e-6, subject, account, data, deadline, payload, written)
        authentic = Authentic(
            header.issuer,
            self._audience,
            jti,
            issued_at,
            expires_at,
            content,
            _NO_CLAIMS,
            header.replay_key(jti.encode("ascii")),
            lifetime + self._margin,
            signed_by(issued_at, time, 1e-6),
            signing_input,
        )
        return Proven(authentic, header.trust, now)

    def learn(self, parsed: Parsed, key: PublicKey, trust: Trust) -> None:
        """Remember the header of a token that went through the steps, if it is written as our senders write it."""
        compact, issuer = parsed
        alg, kid, typ = compact.header
        segment = compact.signing_input.partition(b".")[0].decode("ascii")
        namesakes = self._headers.get(segment, ())
        if any(one.key is key and one.issuer == issuer for one in namesakes):
            return
        opening = b'{"iss":' + strict_json.dumps(issuer) + b',"aud":'
        # As far as its text does not depend on what follows.
        start = f"{segment}.{base64url.encode(opening[: len(opening) // 3 * 3])}"
        if typ != ENVELOPE_TYP or segment != jws.header_segment(alg, kid, typ):
            return
        if not compact.signing_input.startswith(start.encode("ascii")):
            return
        leeway = self._leeway
        header = _Header(
            start,
            opening,
            issuer,
            kid,
            key,
            key.check,
            0 if key.not_before is None else key.not_before - leeway,
            rules.MAX_NUMERIC_DATE if key.expires is None else key.expires + leeway,
            trust,
            replay_keys(issuer),
        )
        if len(self._headers) >= _MAX_HEADERS:
            self._headers = {}
        others = [one for one in namesakes if one.issuer != issuer]
        self._headers[segment] = (header, *others[: _MAX_NAMESAKES - 1])
