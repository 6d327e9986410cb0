"""The claims set: which claims there are and what form each must have.

The registered claims are those of RFC 7519 §4.1. Times are integers (NumericDate
without fractions) in (0, 2^53), so that every JSON reader sees the same number
(RFC 7493 §2.2).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from signedmsg.errors import ClaimError

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_NUMERIC_DATE: Final = 2**53
ISSUER: Final = re.compile(r"[\x21-\x7e]{1,256}")
AUDIENCE: Final = re.compile(r"[\x21-\x7e]{1,1024}")
JTI: Final = re.compile(r"[A-Za-z0-9._~:+=@-]{16,128}")
MESSAGE_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
# A label is shown to people, logged and matched: no control character, C0 or C1, may hide in it.
LABEL: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,256}")
# RFC 7519 §4.2: a collision-resistant name; here a URI.
PUBLIC_CLAIM: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]{1,255}")

# With one of these a token could pass for an OAuth access token (RFC 9068), an OpenID
# Connect ID token or a security event token (RFC 8417) at another verifier.
FORBIDDEN: Final = ("sub", "events", "scope", "client_id")
REGISTERED: Final = frozenset({"iss", "aud", "iat", "exp", "nbf", "jti"})


def text(claims: Mapping[str, object], name: str, form: re.Pattern[str], expected: str, *, inside: str = "") -> str:
    """Return a required string claim that has the given form."""
    value = claims.get(name)
    if isinstance(value, str) and form.fullmatch(value):
        return value
    raise wrong(inside + name, value, name in claims, expected)


def optional_text(
    claims: Mapping[str, object], name: str, form: re.Pattern[str], expected: str, *, inside: str = ""
) -> str | None:
    """Return a string claim of the given form, or None when it is absent."""
    return text(claims, name, form, expected, inside=inside) if name in claims else None


def numeric_date(claims: Mapping[str, object], name: str, *, inside: str = "") -> int:
    """Return a required NumericDate; strings, fractions and booleans are refused."""
    value = claims.get(name)
    # bool is a subclass of int, and `true` is not a time.
    if type(value) is int and 0 < value < MAX_NUMERIC_DATE:
        return value
    raise wrong(inside + name, value, name in claims, "an integer NumericDate in (0, 2^53)")


def optional_numeric_date(claims: Mapping[str, object], name: str, *, inside: str = "") -> int | None:
    """Return a NumericDate, or None when it is absent."""
    return numeric_date(claims, name, inside=inside) if name in claims else None


def wrong(claim: str, value: object, present: bool, expected: str) -> ClaimError:
    """Build the error for a claim of the wrong form, naming the type seen and never the value."""
    seen = f"{type(value).__name__} of another form" if present else "nothing"
    return ClaimError(claim=claim, reason=f"expected {expected}, saw {seen}")
