"""JWS compact serialisation (RFC 7515 §7.1) with a closed header set; nothing here is verified."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from signedmsg._jose import base64url, strict_json
from signedmsg._jose.algorithms import ALGORITHMS
from signedmsg._jose.jwk import KID
from signedmsg.errors import MalformedTokenError, SigningError, TooLargeError, UnsupportedTokenError

MAX_HEADER_SIZE: Final = 1024

_MEMBERS: Final = frozenset({"alg", "kid", "typ"})
_MAX_HEADER_TEXT: Final = (MAX_HEADER_SIZE * 4 + 2) // 3
# RFC 6838 §4.2, with the slash and without whatever JSON would have to escape.
_TYP: Final = re.compile(r"[A-Za-z0-9!#$&^_.+/-]{1,128}")
# A header as `header_segment` writes it: without escapes and with each member once, so there is
# nothing in it that a parser could read otherwise.
_PLAIN: Final = re.compile(
    rf'\{{"alg":"({"|".join(ALGORITHMS)})","kid":"({KID.pattern})"(?:,"typ":"({_TYP.pattern})")?\}}'.encode("ascii")
)


class Header(NamedTuple):
    """The three members that a header may have."""

    alg: str
    kid: str
    typ: str | None


class Compact:
    """A token in three pieces, decoded and copied as far as somebody asked. Proves nothing.

    Attributes:
        header: its known members, in the right form.
        signature: the decoded signature.
    """

    __slots__ = ("_first", "_payload", "_second", "_signing_input", "_text", "header", "signature")

    def __init__(self, text: str, first: int, second: int, header: Header, signature: bytes) -> None:
        self.header: Final = header
        self.signature: Final = signature
        self._text: Final = text
        self._first: Final = first
        self._second: Final = second
        self._payload: bytes | None = None
        self._signing_input: bytes | None = None

    @property
    def signing_input(self) -> bytes:
        """The octets that the signature covers, as they were received."""
        if self._signing_input is None:
            self._signing_input = self._text[: self._second].encode("ascii")
        return self._signing_input

    @property
    def payload(self) -> bytes:
        """The decoded payload.

        Raises:
            MalformedTokenError: it is not canonical base64url.
        """
        if self._payload is None:
            self._payload = _decode("payload", self._text[self._first + 1 : self._second])
        return self._payload

    def opening(self, size: int) -> bytes:
        """Return at least the first `size` octets of the payload without decoding the rest.

        A long token of an unknown issuer is so refused for the price of a short one.

        Raises:
            MalformedTokenError: they are not canonical base64url.
        """
        start, length = self._first + 1, (size + 2) // 3 * 4
        if self._second - start <= length:
            return self.payload
        return _decode("payload", self._text[start : start + length])


def parse(token: object, *, max_size: int) -> Compact:
    """Read a compact JWS of at most `max_size` characters.

    Raises:
        TooLargeError: before anything was decoded.
        MalformedTokenError: not three segments of canonical base64url, or no JSON header.
        UnsupportedTokenError: a header member or an algorithm that is not accepted, or a JWE.
    """
    text = _text(token, max_size)
    first, second = text.find("."), text.rfind(".")
    if not 0 < first < second - 1 < len(text) - 2 or text.find(".", first + 1, second) >= 0:
        raise _misshapen(text)
    if text[-1].isspace() or text[0].isspace():
        # What a file or `echo` adds; said apart, because nobody finds it by looking at the token.
        raise MalformedTokenError("white space around the token, such as a line break at its end", hint="strip it")
    return Compact(text, first, second, _header(text[:first]), _decode("signature", text[second + 1 :]))


def compose(alg: str, kid: str, typ: str | None, payload: bytes) -> bytes:
    """Return the signing input: header and payload, encoded, with a dot between.

    Raises:
        SigningError: a header member is not of the form that `parse` accepts.
    """
    return f"{header_segment(alg, kid, typ)}.{base64url.encode(payload)}".encode("ascii")


@lru_cache(1024)
def header_segment(alg: str, kid: str, typ: str | None) -> str:
    """Return the encoded header; the same three values always give the same text."""
    if alg not in ALGORITHMS:
        raise SigningError(f"alg: expected one of {', '.join(ALGORITHMS)}")
    if not KID.fullmatch(kid):
        raise SigningError("kid: expected 1 to 128 characters of [A-Za-z0-9._~:+=@/-]")
    if typ is not None and not _TYP.fullmatch(typ):
        raise SigningError("typ: expected a media type")
    # None of the three patterns allows a character that JSON escapes.
    kind = "" if typ is None else f',"typ":"{typ}"'
    return base64url.encode(f'{{"alg":"{alg}","kid":"{kid}"{kind}}}'.encode("ascii"))


def assemble(signing_input: bytes, signature: bytes) -> str:
    """Return the token."""
    return f"{signing_input.decode('ascii')}.{base64url.encode(signature)}"


def normal_typ(typ: str) -> str:
    """Return `typ` in the form in which two of them compare (RFC 7515 §4.1.9)."""
    # Outside ASCII, `lower` maps foreign letters onto Latin ones.
    if not typ.isascii():
        return typ
    lowered = typ.lower()
    bare = lowered.removeprefix("application/")
    return lowered if "/" in bare else bare


def _text(token: object, max_size: int) -> str:
    if not isinstance(token, str | bytes):
        raise MalformedTokenError(f"expected a token as str or bytes, got {type(token).__name__}")
    if len(token) > max_size:
        raise TooLargeError(f"the token is larger than {max_size} characters")
    if not token.isascii():
        raise MalformedTokenError("a token is ASCII text")
    return token if isinstance(token, str) else token.decode("ascii")


def _misshapen(text: str) -> MalformedTokenError | UnsupportedTokenError:
    if not text or text.isspace():
        return MalformedTokenError("the token is empty")
    dots = text.count(".")
    if dots == 4:
        return UnsupportedTokenError("five segments: this is an encrypted token (JWE)")
    if text.lstrip()[:1] == "{":
        return MalformedTokenError("expected the compact serialisation, this is JSON")
    if dots == 2:
        return MalformedTokenError("a segment is empty")
    return MalformedTokenError(f"expected three segments, got {dots + 1}")


def _header(text: str) -> Header:
    if len(text) > _MAX_HEADER_TEXT:
        raise TooLargeError(f"the header is larger than {MAX_HEADER_SIZE} bytes")
    written = _decode("header", text)
    plain = _PLAIN.fullmatch(written)
    if plain:
        alg, kid, typ = plain.groups()
        return Header(alg.decode("ascii"), kid.decode("ascii"), None if typ is None else typ.decode("ascii"))
    return _unusual_header(written)


def _unusual_header(written: bytes) -> Header:
    try:
        members = strict_json.loads_object(written)
    except ValueError as error:
        raise MalformedTokenError(f"header: {error}") from None
    # Any other member, understood or not, so that none can be skipped by accident (`crit`, `b64`, `jku`).
    unknown = members.keys() - _MEMBERS
    if unknown:
        raise UnsupportedTokenError(f"header: the member {min(unknown)[:64]!r} is not accepted")
    alg, kid, typ = members.get("alg"), members.get("kid"), members.get("typ")
    if not isinstance(alg, str):
        raise MalformedTokenError("header: alg is missing or no string")
    if alg not in ALGORITHMS:
        raise UnsupportedTokenError(f"header: the algorithm {alg[:64]!r} is not accepted")
    if not isinstance(kid, str) or not KID.fullmatch(kid):
        raise MalformedTokenError("header: kid is missing or not of the accepted form")
    if not isinstance(typ, str) and "typ" in members:
        raise MalformedTokenError("header: typ is no string")
    return Header(alg, kid, typ if isinstance(typ, str) else None)


def _decode(segment: str, text: str) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError as error:
        raise MalformedTokenError(f"{segment}: {error}") from None
