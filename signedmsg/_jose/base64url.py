"""base64url without padding (RFC 7515 §2), canonical: one text for each octet string and no other.

The work is done by pydantic_core's codec, at a fifth of `binascii`'s price. That it takes
text and is strict about the last character is not documented, so it is tried out on
import; where it answers otherwise, `binascii` does the work.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final

from pydantic_core import SchemaSerializer, SchemaValidator

if TYPE_CHECKING:
    from collections.abc import Callable

_VALIDATOR: Final = SchemaValidator({"type": "bytes"}, {"val_json_bytes": "base64"})
_SERIALIZER: Final = SchemaSerializer({"type": "bytes"}, {"ser_json_bytes": "base64"})
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")
# The last character may carry no bits beyond the last octet (RFC 4648 §3.5): else a token
# would have other spellings that verify just as well.
_LAST: Final = {0: frozenset[int](), 1: frozenset[int](), 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}


def decode(text: str) -> bytes:
    """Return the octets that `text` stands for.

    Raises:
        ValueError: `text` is not what `encode` makes of any octets.
    """
    # The padding and the other alphabet, which both codecs would take.
    if "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url without padding")
    try:
        return decode_unpadded(text)
    except ValueError:
        raise ValueError("not canonical base64url") from None


def _core_encode(data: bytes) -> str:
    text: str = _SERIALIZER.to_python(data, mode="json").rstrip("=")
    return text


_core_decode: Final = _VALIDATOR.validate_python  # without a frame of its own


def _plain_encode(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _plain_decode(text: str) -> bytes:
    written = text.encode("ascii")
    over = len(written) % 4
    if over and written[-1] not in _LAST[over]:
        raise ValueError("stray bits in the last character")
    return binascii.a2b_base64(written.translate(_FROM_URL) + b"=" * (-over % 4), strict_mode=True)


def _core_is_exact() -> bool:
    """Compare the fast codec with the plain one: what it writes, what it reads, what it refuses."""
    octets = bytes(range(256))
    samples = [octets[:size] for size in (0, 1, 2, 3, 254, 255, 256)]
    try:
        good = all(
            _core_encode(sample) == _plain_encode(sample) and _core_decode(_core_encode(sample)) == sample
            for sample in samples
        )
    except ValueError:
        return False
    return good and all(
        map(_core_refuses, ("A", "AAAAA", "AB", "AAB", "_x", "AA\n", " AA", "A.A", "AA\u00e9", "AA\x00A"))
    )


def _core_refuses(text: str) -> bool:
    try:
        _core_decode(text)
    except ValueError:
        return True
    return False


encode: Callable[[bytes], str]
"""Return octets in base64url without padding."""
decode_unpadded: Callable[[str], bytes]
"""As `decode`, of a text that is known to hold no `=`, `+` or `/`; or else these are let through."""
encode, decode_unpadded = (_core_encode, _core_decode) if _core_is_exact() else (_plain_encode, _plain_decode)
