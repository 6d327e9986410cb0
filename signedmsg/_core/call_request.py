"""The shape of an arriving request: its method, its target, its header fields and its one credential."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from signedmsg._core.call import Request
from signedmsg._core.call_policy import MAX_HEADER_TOKEN
from signedmsg._core.target import names_access_token, parse_target
from signedmsg.errors import CredentialsMissingError, MalformedTokenError, TooLargeError

if TYPE_CHECKING:
    from signedmsg._core.call_policy import CallPolicy

# RFC 9110 §5.6.2. It is compared with `htm` letter by letter, so `get` is no GET.
_METHOD: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
# Few servers let so many in, and not all have a limit: 100,000 would keep an event loop for 80 ms.
_MAX_FIELDS: Final = 1000
# RFC 9110 §11.4: a scheme, then spaces (no tab), then whatever it takes; for ours one token68.
_CREDENTIALS: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(.*))?", re.DOTALL)
_TOKEN68: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def parse_request(method: object, target: object, headers: object, policy: CallPolicy) -> Request:
    """Read the head of a request as far as needed to verify its token. Nothing is proven by it.

    Raises:
        CredentialsMissingError: it has no credential of the configured scheme.
        MalformedTokenError: a part of it is not of the form that HTTP gives it, or it has two credentials.
        TooLargeError: its token is larger than a header field may hold.
    """
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise MalformedTokenError("method: not of the form of RFC 9110 §9.1")
    try:
        where, query = parse_target(target)
    except ValueError as error:
        raise MalformedTokenError(f"target: {error}") from None
    fields = _fields(headers)
    token = _credential(fields.get("authorization", []), query, policy.scheme)
    return Request(method, where, query, fields, token)


def _fields(headers: object) -> dict[str, list[str]]:
    if isinstance(headers, Mapping):
        headers = cast("Mapping[object, object]", headers).items()
    if not isinstance(headers, Iterable):
        raise MalformedTokenError(f"headers: expected a mapping or pairs, got {type(headers).__name__}")
    fields: dict[str, list[str]] = {}
    for count, pair in enumerate(cast("Iterable[object]", headers)):
        if count >= _MAX_FIELDS:
            raise MalformedTokenError(f"headers: more than {_MAX_FIELDS} fields")
        if not isinstance(pair, (tuple, list)) or len(cast("tuple[object, ...]", pair)) != 2:
            raise MalformedTokenError("headers: expected pairs of a name and a value")
        name, value = cast("tuple[object, object]", pair)
        fields.setdefault(_text(name).lower(), []).append(_text(value))
    return fields


def _text(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, bytes):
        return part.decode("latin-1")
    raise MalformedTokenError(f"headers: expected str or bytes, got {type(part).__name__}")


def _credential(values: list[str], query: str, scheme: str) -> str:
    if len(values) > 1:
        raise MalformedTokenError("authorization: the field stands more than once")
    token = _token_of(values[0], scheme) if values else None
    if token is None:
        raise CredentialsMissingError(f"authorization: no credential of the scheme {scheme}")
    # Of two credentials nobody knows which one another layer believed (RFC 6750 §2).
    if names_access_token(query):
        raise MalformedTokenError("query: it holds an access_token beside the Authorization field")
    return token


def _token_of(value: str, scheme: str) -> str | None:
    """Return the credential, or None when it is of another scheme.

    Raises:
        MalformedTokenError, TooLargeError.
    """
    # Before anything else looks at it: junk of any size costs nothing.
    if len(value) > MAX_HEADER_TOKEN + 256:
        raise TooLargeError(f"authorization: the token is larger than {MAX_HEADER_TOKEN} characters")
    parts = _CREDENTIALS.fullmatch(value.strip(" \t"))
    if parts is None:
        raise MalformedTokenError("authorization: expected a scheme and a token")
    seen, token = parts.groups()
    if seen.lower() != scheme.lower():
        return None
    if token is None or not _TOKEN68.fullmatch(token):
        raise MalformedTokenError("authorization: expected one token of RFC 9110 §11.2 after the scheme")
    return cast("str", token)
